"""Prediction with `ftkit.load`: the other side of plain_prediction.py."""

import argparse

import ftkit
from sides import Predict, time_prediction


def load(arguments: argparse.Namespace) -> Predict:
    return ftkit.load(arguments.model).predict


if __name__ == "__main__":
    time_prediction(load, __doc__)
