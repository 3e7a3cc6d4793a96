"""Modules that rest do what they would do awake, each in a process that nothing has been imported into yet."""

import json
import subprocess
import sys

import pytest

from ftkit import strict_yaml
from runs import run_config

PRELUDE = """
import json, sys
from ftkit import resting

def resting_now():
    return [name for name in ("torch._dynamo", "peft", "scipy.optimize")
            if type(sys.modules.get(name)).__name__ == "_Resting"]
"""
INSTALL = "resting.install()\n"
LOADED = """
print()
names = ("torch._dynamo.utils", "peft.utils", "scipy.optimize._minimize")
print(json.dumps([name for name in names if name in sys.modules]))
"""


def run_python(code, *arguments, before=INSTALL):
    done = subprocess.run(
        [sys.executable, "-c", PRELUDE + before + code, *map(str, arguments)],
        capture_output=True,
        encoding="utf-8",
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_commands_let_them_rest_until_they_end(checkpoint, tmp_path):
    def loaded(*command):
        code = "from ftkit.cli import app\napp(sys.argv[1:], standalone_mode=False)\n"
        return run_python(code + LOADED, *command, before="")

    config, data = tmp_path / "run.yaml", run_config(tmp_path, checkpoint("bert"), **{"train.num_train_epochs": 1})
    config.write_text(strict_yaml.dump(data))
    # scikit-learn's metrics use scipy's solvers, once a training is over.
    assert loaded("train", config) == ["scipy.optimize._minimize"]
    assert loaded("evaluate", data["output_dir"], "--data", data["data"]["test"]) == ["scipy.optimize._minimize"]
    assert loaded("predict", data["output_dir"], "--text", "hello") == []


def test_python_that_imports_ftkit_is_left_as_it_is():
    code = "import ftkit\nfrom transformers import Trainer\n"
    loaded = run_python(code + LOADED, before="")
    assert loaded == ["torch._dynamo.utils", "peft.utils", "scipy.optimize._minimize"]


@pytest.mark.parametrize("use", ["name", "submodule", "from a submodule", "whole submodule"])
def test_the_compiler_wakes_and_is_loaded_once(use):
    code = """
import torch, transformers.modeling_utils
assert resting_now() == ["torch._dynamo", "scipy.optimize"], resting_now()
modes = transformers.masking_utils.TransformGetItemToIndex
use = {
    "name": "import torch._dynamo; torch._dynamo.config",
    "submodule": "import torch._dynamo.utils",
    "from a submodule": "from torch._dynamo.utils import counters",
    "whole submodule": "import torch._dynamo._trace_wrapped_higher_order_op as m; m.trace_wrapped",
}[sys.argv[1]]
exec(use)
import torch._dynamo.utils, torch._dynamo._trace_wrapped_higher_order_op as real
from torch._dynamo.utils import counters
from torch._dynamo.exc import counters as of_another
with modes():
    pass
print(json.dumps([
    type(torch._dynamo).__name__,
    torch._dynamo.utils is sys.modules["torch._dynamo.utils"],
    counters is of_another,
    isinstance(modes(), real.TransformGetItemToIndex),
    torch._dynamo.utils.__spec__.origin == torch._dynamo.utils.__file__,
]))
"""
    assert run_python(code, use) == ["module", True, True, True, True]


def test_decorators_hold_once_there_is_a_compiler():
    code = """
import torch

@torch.compiler.disable
def kept_out(x):
    calls.append(torch.compiler.is_compiling())
    return x + 1

@torch.compiler.disable(recursive=False)
def kept_out_too(x):
    return x * 2

@torch.compiler.allow_in_graph
def in_graph(x):
    return x - 3

@torch.compiler.assume_constant_result
def constant():
    return 5

calls, one = [], torch.ones(())
before = [float(kept_out(one)), float(kept_out_too(one)), float(in_graph(one)), constant()]
torch._dynamo.graph_break()
assert resting_now() == ["torch._dynamo"], resting_now()
model = torch.nn.Linear(1, 1)
assert not isinstance(model, torch._dynamo.eval_frame.OptimizedModule)
assert resting_now() == ["torch._dynamo"], resting_now()

graphs = []
def backend(graph, examples):
    graphs.append([node.target.__name__ for node in graph.graph.nodes if node.op == "call_function"])
    return graph.forward

compiled = torch.compile(lambda x: in_graph(kept_out(x * 10) * constant()), backend=backend)
value = float(compiled(one))
assert not resting_now()
assert isinstance(torch.compile(model, backend="eager"), torch._dynamo.eval_frame.OptimizedModule)
from accelerate.utils.other import is_compiled_module
assert is_compiled_module(torch.compile(model, backend="eager")) and not is_compiled_module(model)
print(json.dumps([before, value, graphs, calls]))
"""
    before, value, graphs, calls = run_python(code)
    assert before == [2.0, 2.0, -2.0, 5]
    assert value == 52.0
    assert graphs == [["mul"], ["mul", "in_graph"]], "one graph before what is kept out, one behind it"
    assert calls == [False, False]


def test_an_optimizer_steps_while_the_compiler_rests():
    code = """
import torch
model = torch.nn.Linear(2, 1)
optimizer = torch.optim.AdamW(model.parameters())
model(torch.ones(1, 2)).sum().backward()
optimizer.step()
optimizer.zero_grad()
state = optimizer.state_dict()
optimizer.load_state_dict(state)
print(json.dumps(resting_now()))
"""
    assert run_python(code) == ["torch._dynamo"]


def test_adapters_are_known_before_and_after_peft_is_awake(checkpoint):
    code = """
import transformers.trainer_utils as utils
from transformers import AutoModelForSequenceClassification
model = AutoModelForSequenceClassification.from_pretrained(sys.argv[1])
before = utils._is_peft_model(model)
assert "peft" in resting_now()
from peft import LoraConfig, PeftModel, get_peft_model
assert "peft" not in resting_now()
adapted = get_peft_model(model, LoraConfig(task_type="SEQ_CLS"))
print(json.dumps([
    before, utils._is_peft_model(model), utils._is_peft_model(adapted),
    issubclass(PeftModel, utils.PeftModel), utils.PeftModel is PeftModel,
    utils.PeftModel.from_pretrained == PeftModel.from_pretrained,
]))
"""
    assert run_python(code, checkpoint("bert")) == [False, False, True, True, False, True]


def test_a_solver_is_loaded_when_it_is_called():
    code = """
from transformers.loss.loss_for_object_detection import linear_sum_assignment
assert "scipy.optimize" in resting_now()
rows, columns = linear_sum_assignment([[4, 1], [2, 8]])
import scipy.optimize
print(json.dumps([columns.tolist(), scipy.optimize.minimize.__module__, "scipy.optimize" in resting_now()]))
"""
    assert run_python(code) == [[1, 0], "scipy.optimize._minimize", False]


def test_a_module_that_cannot_be_loaded_says_so_each_time(tmp_path):
    (tmp_path / "broken.py").write_text("half = 1\nimport no_such_module\n")
    code = """
sys.path.insert(0, sys.argv[1])
resting._STAND_INS["broken"] = {"Model": resting._stand_in("broken", "Model")}
from broken import Model
said = []
for use in ("Model()", "Model()", "import broken; broken.half"):
    try:
        exec(use)
    except ImportError as error:
        said.append(str(error))
print(json.dumps([isinstance(1, Model), said]))
"""
    is_model, said = run_python(code, tmp_path)
    assert not is_model
    assert said == ["No module named 'no_such_module'"] * 3
