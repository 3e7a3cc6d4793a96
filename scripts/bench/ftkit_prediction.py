"""Prediction with `ftkit.load`: the other side of plain_prediction.py."""

import argparse

import ftkit
from sides import Predict, time_prediction


def load(arguments: argparse.Namespace) -> tuple[Predict, str]:
    predictor = ftkit.load(arguments.model, precision=arguments.precision)
    return predictor.predict, predictor.precision


def main() -> None:
    time_prediction(load, __doc__)


if __name__ == "__main__":
    main()
