"""The plain baseline: prediction with `transformers.pipeline`, as its documentation shows it."""

import argparse
from functools import partial

from transformers import pipeline

from sides import Predict, time_prediction


def load(arguments: argparse.Namespace) -> tuple[Predict, str]:
    classify = pipeline("text-classification", model=arguments.model, batch_size=arguments.batch_size)
    return partial(classify, truncation=True), "fp32"


def main() -> None:
    time_prediction(load, __doc__)


if __name__ == "__main__":
    main()
