import inspect

import pytest

from ftkit.kinds.kind import KindModule
from ftkit.kinds.table import KINDS, kind_module

MEMBERS = [name for name, value in vars(KindModule).items() if inspect.isfunction(value) and not name.startswith("_")]


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_fulfils_the_protocol(kind):
    module = kind_module(kind)
    assert module.TASK.kind == kind
    assert set(module.TASK.columns) <= set(module.ROLES)
    for name in MEMBERS:
        expected = list(inspect.signature(getattr(KindModule, name)).parameters)[1:]
        found = list(inspect.signature(getattr(module, name)).parameters)
        if name == "adapter_options":
            expected, found = expected[:3], found[:3]
        assert found == expected, name
