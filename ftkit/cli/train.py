"""`ftkit train CONFIG [key=value ...]`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ftkit.cli import options

if TYPE_CHECKING:
    from ftkit.cli.launcher import Launch
    from ftkit.engine.interruption import Interruption


def command(
    config: Annotated[str, typer.Argument(help="A YAML file, such as task_configs/quickstart.yaml.")],
    overrides: Annotated[
        list[str] | None, typer.Argument(metavar="[KEY=VALUE]...", help="Such as train.learning_rate=1e-4.")
    ] = None,
    trust_remote_code: options.TrustRemoteCode = False,
    num_processes: Annotated[
        int | None, typer.Option(min=1, help="Train on several processes, of all machines together: one for each GPU.")
    ] = None,
    config_file: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="A launch config of `accelerate config`; see scripts/accelerate."),
    ] = None,
    num_machines: Annotated[int | None, typer.Option(min=1, help="Machines on which this command is started.")] = None,
    machine_rank: Annotated[int | None, typer.Option(min=0, help="Which of them this is, from 0.")] = None,
    main_process_ip: Annotated[
        str | None, typer.Option(metavar="HOST", help="Address of machine 0, where the ranks meet.")
    ] = None,
    main_process_port: Annotated[int | None, typer.Option(min=1, help="Port of it; 29500 if left out.")] = None,
) -> None:
    """Check, train, evaluate, save and prove one run.

    With --num-processes or --config-file it is carried out on several processes, by Accelerate's launcher; `accelerate
    launch [...] -m ftkit train CONFIG` and torchrun start the same run.
    """
    from ftkit.cli.launcher import Launch
    from ftkit.engine.interruption import ending_in_order_from_the_start

    asked = Launch(num_processes, config_file, num_machines, machine_rank, main_process_ip, main_process_port)
    if asked.is_asked:
        with ending_in_order_from_the_start() as interruption:
            _launch(asked, config, overrides or [], trust_remote_code, interruption)
        return
    from ftkit.engine.launched import ending_together, warn_of_lonely_process
    from ftkit.speedups.startup import collector_at_rest

    warn_of_lonely_process()

    with collector_at_rest(), ending_together():
        _train(config, overrides or [], trust_remote_code)


def _train(config: str, overrides: list[str], trust_remote_code: bool) -> None:
    from ftkit.engine.interruption import ending_in_order_from_the_start

    with ending_in_order_from_the_start():  # a run listens by itself
        from ftkit.config.run_config import load_config, parse_overrides
        from ftkit.console import say
        from ftkit.report.summary import summary
        from ftkit.run import execute, push_finished
        from ftkit.runs.trust import check_code_is_trusted

        given = parse_overrides(overrides)
        loaded = load_config(config, given)
        check_code_is_trusted(config, loaded, given, trust_remote_code=trust_remote_code)

    result = execute(loaded)
    say(summary(result.output_dir, result.metrics, result.primary_metric, result.example))
    pushed = push_finished(loaded, result)
    if pushed is not None:
        say(f"  {'pushed':<11}{pushed.url} ({len(pushed.uploaded)} files)\n")


def _launch(
    asked: Launch, config: str, overrides: list[str], trust_remote_code: bool, interruption: Interruption
) -> None:
    """Starts this command on several processes; what is wrong with its config is told before."""
    from ftkit.cli.launcher import launch
    from ftkit.config.run_config import load_config, parse_overrides

    asked.check()
    loaded = load_config(config, parse_overrides(overrides))
    trust = ["--trust-remote-code"] if trust_remote_code else []
    command, train = ["train", config, *overrides, *trust], loaded.train
    use_cpu, timeout = bool(train.use_cpu), train.ddp_timeout
    code = launch(asked, command, use_cpu=use_cpu, timeout=timeout, interruption=interruption)
    if code:
        raise typer.Exit(code)
