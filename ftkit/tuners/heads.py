"""The head invariant: every parameter that the checkpoint did not provide is trained and saved.

peft saves whole modules. It guesses which are the head from a few names, such as `classifier` and `score`; here they
are the modules that hold the parameters which the loading report calls new.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from ftkit.errors import ConfigError
from ftkit.tuners.targets import outside_of_body

if TYPE_CHECKING:
    import torch

SAVED_BY_PEFT: Mapping[str, tuple[str, ...]] = {
    "SEQ_CLS": ("classifier", "score"),
    "TOKEN_CLS": ("classifier", "score"),
    "QUESTION_ANS": ("qa_outputs",),
}
"""What peft calls a task -> how the names of modules end that it trains whole, whether they are new or not."""


def new_modules(model: torch.nn.Module, new_parameters: Collection[str]) -> list[str]:
    """Returns the names of the largest modules that hold nothing but new parameters, and that are called.

    A parameter that stands beside others which the checkpoint did provide takes its whole module along. A list of
    modules, such as the heads of RT-DETR's layers, is not called, and each of its modules is named.

    Args:
        new_parameters: full names, such as `classifier.dense.weight`; tied names count as well.
    """
    new = set(new_parameters)
    own = {
        name: {f"{name}.{inner}" if name else inner for inner, _ in module.named_parameters(remove_duplicate=False)}
        for name, module in model.named_modules()
        if not _is_list(module)
    }
    modules: list[str] = []
    for name in own:  # parents come before their children
        if not name or not own[name] or any(_inside(name, found) for found in modules):
            continue
        direct = {parameter for parameter in own[name] if "." not in parameter[len(name) + 1 :]}
        if own[name] <= new or direct & new:
            modules.append(name)
    left = sorted(parameter for parameter in new if not any(_inside(parameter, module) for module in modules))
    assert not [name for name in left if name in own[""]], f"new parameters outside of every module: {left}"
    return modules


def names_for_peft(model: torch.nn.Module, modules: Sequence[str], peft_task: str | None) -> list[str]:
    """Returns the names of modules to be trained whole, as peft finds them: by how the names of modules end.

    A module that peft would find besides is named, too, such as DistilBERT's `pre_classifier` beside `classifier`:
    nothing else is attached to it then. Where peft would look into a module or wrap a list, as in DPT's `head`, which
    has a `head`, the modules in it are named instead. Of some tasks peft takes the whole head by itself: RoBERTa's
    `classifier` is named then, where `classifier.out_proj` alone is new.

    Args:
        peft_task: what peft calls the task.

    Raises:
        ConfigError: peft would find a list of modules besides, which it cannot train whole, as in LW-DETR.
    """
    by_name = dict(model.named_modules(remove_duplicate=False))
    heads = [name for name in by_name if name.endswith(SAVED_BY_PEFT.get(peft_task or "", ()))]
    heads = [name for name in heads if not any(_inside(name, other) for other in heads if other != name)]
    outside = [module for module in modules if not any(_inside(module, head) for head in heads)]
    names = list(dict.fromkeys([*heads, *_found_by_peft(by_name, outside)]))
    alike = [name for name in names if _is_list(by_name[name])]
    if alike:
        raise ConfigError(
            f"tuner: peft goes by how the names of modules end, and would take {alike[0]!r}, a list of modules, "
            "for the new head. Choose tuner.method: full, or a checkpoint of another type."
        )
    return names


def check_head_can_train(
    model: torch.nn.Module, with_labels: torch.nn.Module, peft_task: str | None, *, saved_as: Sequence[str]
) -> None:
    """Refuses a head that peft cannot train whole, as far as it is known to be new; no weight is looked at.

    Args:
        model: as the checkpoint's config describes it.
        with_labels: the same with the labels of the run: parameters that have another shape in it are new.
        peft_task: what peft calls the task.
        saved_as: names of the classes that the checkpoint was saved as; of any other class the whole head is new.

    Raises:
        ConfigError: as `names_for_peft`.
    """
    shapes = {name: parameter.shape for name, parameter in model.named_parameters(remove_duplicate=False)}
    heads = () if type(model).__name__ in saved_as else outside_of_body(with_labels)
    new = [
        name
        for name, parameter in with_labels.named_parameters(remove_duplicate=False)
        if parameter.shape != shapes.get(name) or any(_inside(name, head) for head in heads)
    ]
    names_for_peft(with_labels, new_modules(with_labels, new), peft_task)


def _found_by_peft(by_name: Mapping[str, torch.nn.Module], modules: Sequence[str]) -> Iterator[str]:
    for module in modules:
        others = [name for name in by_name if name.endswith(module) and name != module]
        parts = [f"{module}.{name}" for name, part in by_name[module].named_children() if _has_parameters(part)]
        if parts and any(_inside(name, module) or _is_list(by_name[name]) for name in others):
            yield from _found_by_peft(by_name, parts)
        else:
            yield from (module, *others)


def _has_parameters(module: torch.nn.Module) -> bool:
    return next(module.parameters(), None) is not None


def _is_list(module: torch.nn.Module) -> bool:
    from torch.nn import ModuleDict, ModuleList

    return isinstance(module, (ModuleDict, ModuleList))


def all_names(model: torch.nn.Module, parameters: Collection[str]) -> set[str]:
    """Returns some parameters' names with all others that they have, as embeddings do where tables are tied."""
    named = dict(model.named_parameters(remove_duplicate=False))
    meant = {id(named[name]) for name in parameters if name in named}
    return {*parameters, *(name for name, parameter in named.items() if id(parameter) in meant)}


def _inside(name: str, module: str) -> bool:
    return name == module or name.startswith(f"{module}.")
