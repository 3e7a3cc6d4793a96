"""The plain baseline: prediction with `transformers.pipeline`, as its documentation shows it."""

import argparse
from functools import partial

from transformers import pipeline

from sides import Predict, time_prediction


def load(arguments: argparse.Namespace) -> Predict:
    classify = pipeline("text-classification", model=arguments.model, batch_size=arguments.batch_size)
    return partial(classify, truncation=True)


if __name__ == "__main__":
    time_prediction(load, __doc__)
