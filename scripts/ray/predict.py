"""Predicts a lake of files with a finished run, on as many processes and machines as Ray has.

    pip install 'ftkit[ray]'
    python scripts/ray/predict.py runs/banking77 's3://bucket/texts/*.parquet' s3://bucket/predictions --concurrency 8

Ray reads the files, hands their rows out in batches, and writes what comes back; each of its workers loads the run
once. A row keeps its columns and gets two: `prediction`, the object of `ftkit predict` as JSON, and `error`, which
says why there is none. With `--num-gpus 1` every worker has a GPU of its own.
"""

from __future__ import annotations

import argparse
import json
import sys

import pyarrow as pa
import ray
import ray.data


class Predict:
    """A run in a worker.

    Args:
        run: a folder under a path that all machines have, or a Hub id.
        column: of the input.
    """

    def __init__(self, run: str, column: str) -> None:
        import ftkit

        self.predictor, self.column = ftkit.load(run), column

    def __call__(self, rows: pa.Table) -> pa.Table:
        """Returns rows with their predictions, in columns of the same types whatever the batch holds.

        Example: the texts "late again" and " " get prediction [`{"label": "late", "score": 0.9, ...}`, null] and error
        [null, "the text is empty"].
        """
        inputs = ["" if text is None else text for text in rows.column(self.column).to_pylist()]
        found = self.predictor.predict(inputs, on_bad_row="empty")
        errors = [row.get("error") for row in found]
        texts = [None if "error" in row else json.dumps(row, ensure_ascii=False) for row in found]
        rows = rows.append_column("prediction", pa.array(texts, pa.string()))
        return rows.append_column("error", pa.array(errors, pa.string()))


def main() -> int:
    arguments = _arguments()
    ray.init(ignore_reinit_error=True)
    num_cpus = 0 if arguments.num_gpus else 1  # of each worker
    if (there_are := ray.cluster_resources().get("CPU", 0)) <= arguments.concurrency * num_cpus:
        sys.exit(
            f"--concurrency {arguments.concurrency}: Ray has {there_are:g} CPUs, and needs one more to read files."
        )
    read = getattr(ray.data, f"read_{arguments.format}")
    predicted = read(arguments.input).map_batches(
        Predict,
        fn_constructor_args=(arguments.run, arguments.column),
        batch_format="pyarrow",
        batch_size=arguments.batch_size,
        compute=ray.data.ActorPoolStrategy(size=arguments.concurrency),
        num_cpus=num_cpus,
        num_gpus=arguments.num_gpus,
    )
    predicted.write_parquet(arguments.output)
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("run")
    parser.add_argument("input", help="files, folders or patterns that Ray reads, on this machine or in a bucket")
    parser.add_argument("output", help="a folder for parquet files")
    parser.add_argument("--format", choices=("parquet", "json", "csv", "text"), default="parquet")
    parser.add_argument("--column", default="text")
    parser.add_argument("--batch-size", type=int, default=1_024)
    parser.add_argument("--concurrency", type=int, default=1, help="workers, each with the run in its memory")
    parser.add_argument("--num-gpus", type=float, default=0, help="of each worker")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
