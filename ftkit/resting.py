"""Modules that are imported early, and that most runs never use: they rest until somebody wants more than a few names.

transformers, Accelerate and PyTorch's optimizers import PyTorch's compiler, PEFT and scipy's solvers for a decorator,
for `isinstance(model, PeftModel)`, for a loss of object detection. A resting module answers that much itself:

- a class that nobody can have made an object of yet, or a function, is a stand-in; called, it loads the module;
- a decorator for the compiler is remembered, and applied when there is a compiler.

Any other name wakes the module: it is executed where it is, as `importlib.util.LazyLoader` does, and from then on is
like any other. Stand-ins that were handed out speak for what they stand for.
"""

from __future__ import annotations

import functools
import importlib
import sys
from collections.abc import Callable, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import FunctionType, ModuleType
from typing import Any

COMPILER = "torch._dynamo"
_on_wake: dict[str, list[Callable[[ModuleType], object]]] = {}


class _Resting(ModuleType):
    """A module that has not been executed; its dictionary holds its stand-ins."""

    def __getattr__(self, name: str) -> Any:
        if name == "__path__":  # asked of modules that are no packages
            raise AttributeError(name)
        return getattr(awake(self.__name__), name)


def awake(name: str) -> ModuleType:
    """Returns a module that is executed, now if it was not.

    Raises:
        ImportError: it cannot be.
    """
    module = importlib.import_module(name)
    if not isinstance(module, _Resting):
        return module
    if module.__spec__ is None:  # a part of a package that rests
        awake(name.rpartition(".")[0])
        return importlib.import_module(name)
    for own in _STAND_INS[name]:
        delattr(module, own)
    for part in _PARTS.get(name, {}):
        del sys.modules[part]
    module.__class__ = ModuleType  # type: ignore[assignment]
    loader = module.__spec__.loader
    try:
        type(loader).exec_module(loader, module)  # type: ignore[union-attr, arg-type]
    except BaseException:
        sys.modules.pop(name, None)  # as after any import that failed
        raise
    for act in _on_wake.pop(name, []):
        act(module)
    return module


class RestingFinder(MetaPathFinder):
    """Lets the modules rest that have stand-ins; asked before Python's own finders."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Returns a spec for those modules, and for what waking a package has loaded already."""
        package = fullname.rpartition(".")[0]
        if isinstance(sys.modules.get(package), _Resting):
            awake(package)
            if fullname in sys.modules:
                return ModuleSpec(fullname, _Loaded(sys.modules[fullname]))
        if fullname not in _STAND_INS:
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader.exec_module = _rest  # type: ignore[method-assign]
        return spec


def install() -> None:
    """Lets modules rest that are not loaded yet; for a process that is ftkit's own, until it ends."""
    if not any(isinstance(finder, RestingFinder) for finder in sys.meta_path):
        sys.meta_path.insert(0, RestingFinder())


def _rest(module: ModuleType) -> None:
    vars(module).update(_STAND_INS[module.__name__])
    module.__class__ = _Resting
    for name, stand_ins in _PARTS.get(module.__name__, {}).items():
        sys.modules[name] = part = _Resting(name)
        vars(part).update(stand_ins)


class _Loaded(Loader):
    """Gives a module back that another import has loaded meanwhile.

    Without its spec for that long: Python would take the module's own, and load it a second time.
    """

    def __init__(self, module: ModuleType) -> None:
        self.module, self.spec = module, module.__spec__
        module.__spec__ = None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return self.module

    def exec_module(self, module: ModuleType) -> None:
        module.__spec__ = self.spec


class _StandIn(type):
    """Stands for a class or a function of a module that may rest."""

    module_name: str
    real_name: str

    def _real(cls) -> Any:
        return getattr(awake(cls.module_name), cls.real_name)

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        return cls._real()(*args, **kwargs)

    def __instancecheck__(cls, instance: Any) -> bool:
        return _is_loaded(cls.module_name) and isinstance(instance, cls._real())

    def __subclasscheck__(cls, subclass: type) -> bool:
        return _is_loaded(cls.module_name) and issubclass(subclass, cls._real())

    def __getattr__(cls, name: str) -> Any:
        return getattr(cls._real(), name)


def _is_loaded(name: str) -> bool:
    module = sys.modules.get(name)
    return module is not None and not isinstance(module, _Resting)


def _stand_in(module_name: str, real_name: str) -> _StandIn:
    return _StandIn(real_name, (), {"module_name": module_name, "real_name": real_name})


def _disable(fn: Any = None, recursive: bool = True, **options: Any) -> Any:
    """Stands for `torch._dynamo.disable`, as Accelerate's and PyTorch's own lazy versions do."""
    if fn is None:
        return functools.partial(_disable, recursive=recursive, **options)
    if not isinstance(fn, FunctionType):
        return awake(COMPILER).disable(fn, recursive, **options)
    called = fn

    def disable(compiler: ModuleType) -> None:
        nonlocal called
        called = compiler.disable(fn, recursive, **options)

    @functools.wraps(fn)
    def call(*args: Any, **kwargs: Any) -> Any:
        return called(*args, **kwargs)

    _on_wake.setdefault(COMPILER, []).append(disable)
    return call


def _marked_on_wake(decorator: str) -> Callable[[Any], Any]:
    """Stands for a decorator of `torch._dynamo` that returns what it is given."""

    def mark(fn: Any) -> Any:
        _on_wake.setdefault(COMPILER, []).append(lambda compiler: getattr(compiler, decorator)(fn))
        return fn

    return mark


def _graph_break(msg: str = "") -> None:
    """Stands for `torch._dynamo.graph_break`, which does nothing outside of compiled code."""


class _EvalFrame:
    """Stands for `torch._dynamo.eval_frame`, where Accelerate finds the class of compiled models."""

    OptimizedModule = _stand_in(f"{COMPILER}.eval_frame", "OptimizedModule")

    def __getattr__(self, name: str) -> Any:
        return getattr(awake(COMPILER).eval_frame, name)


_STAND_INS: dict[str, dict[str, Any]] = {
    COMPILER: {
        "disable": _disable,
        "allow_in_graph": _marked_on_wake("allow_in_graph"),
        "assume_constant_result": _marked_on_wake("assume_constant_result"),
        "graph_break": _graph_break,
        "eval_frame": _EvalFrame(),
    },
    "peft": {name: _stand_in("peft", name) for name in ("PeftModel", "PeftMixedModel")},
    "scipy.optimize": {"linear_sum_assignment": _stand_in("scipy.optimize", "linear_sum_assignment")},
}
# Modules of resting packages that somebody imports names from.
_MODES = f"{COMPILER}._trace_wrapped_higher_order_op"
_PARTS: dict[str, dict[str, dict[str, Any]]] = {
    COMPILER: {_MODES: {"TransformGetItemToIndex": _stand_in(_MODES, "TransformGetItemToIndex")}},
}
