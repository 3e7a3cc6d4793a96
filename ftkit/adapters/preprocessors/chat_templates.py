"""Chat templates: those that come with ftkit, and how a config names one."""

from __future__ import annotations

import re
from collections.abc import Mapping

from ftkit.errors import ConfigError, did_you_mean, name_list
from ftkit.paths import user_path

# OpenAI's Chat Markup Language, with tools as the Hermes and Qwen models write them.
_CHATML = """\
{%- set lead = messages[0].content if messages[0].role == 'system' else '' -%}
{%- if tools -%}
{{- '<|im_start|>system\\n' -}}
{%- if lead %}{{ lead + '\\n\\n' }}{% endif -%}
{{- 'You may call these functions, one JSON object between <tool_call> and </tool_call> for each call:\\n<tools>' -}}
{%- for tool in tools %}{{ '\\n' + (tool | tojson) }}{% endfor -%}
{{- '\\n</tools><|im_end|>\\n' -}}
{%- elif lead -%}
{{- '<|im_start|>system\\n' + lead + '<|im_end|>\\n' -}}
{%- endif -%}
{%- for message in messages -%}
{%- if message.role == 'assistant' -%}
{{- '<|im_start|>assistant\\n' -}}
{%- generation -%}
{{- message.content or '' -}}
{%- for call in message.tool_calls or [] -%}
{%- if message.content or not loop.first %}{{ '\\n' }}{% endif -%}
{{- '<tool_call>\\n' + (call.function | tojson) + '\\n</tool_call>' -}}
{%- endfor -%}
{{- '<|im_end|>' -}}
{%- endgeneration -%}
{{- '\\n' -}}
{%- elif not (loop.first and message.role == 'system') -%}
{{- '<|im_start|>' + message.role + '\\n' + (message.content or '') + '<|im_end|>\\n' -}}
{%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif -%}
"""

# For checkpoints that never met a conversation: it needs no token but the one that ends a text. The space is a part of
# the answer, as most vocabularies write it into the word behind it.
_PLAIN = """\
{{- bos_token or '' -}}
{%- for message in messages -%}
{%- if message.role == 'assistant' -%}
{{- 'Assistant:' -}}
{%- generation -%}
{{- ' ' + (message.content or '') + eos_token -}}
{%- endgeneration -%}
{{- '\\n' -}}
{%- else -%}
{{- (message.role | capitalize) + ': ' + (message.content or '') + '\\n' -}}
{%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt %}{{ 'Assistant:' }}{% endif -%}
"""

TEMPLATES: Mapping[str, str] = {"chatml": _CHATML, "plain": _PLAIN}
"""Name -> template, as `data.chat_template` may name it."""


# What a message says where it has parts; %s is the token that stands for an image.
_SAID = """\
{%%- macro said(content) -%%}
{%%- if content is string -%%}{{ content }}
{%%- else -%%}{%%- for part in content -%%}{{ %s if part.type == 'image' else part.text }}{%%- endfor -%%}
{%%- endif -%%}
{%%- endmacro -%%}
"""


def template_text(named: str | None, *, image_token: str | None = None) -> str | None:
    """Returns the chat template that a config names: one of `TEMPLATES`, a file, or the template itself.

    Args:
        image_token: what one of `TEMPLATES` writes for an image, where messages have images beside texts.

    Raises:
        ConfigError: it is none of them, or the file cannot be read.
    """
    if named is None or "{%" in named or "{{" in named:
        return named
    if named in TEMPLATES:
        template = TEMPLATES[named]
        if image_token is None:
            return template
        return _SAID % repr(image_token) + re.sub(
            r"\b(messages\[0\]|message)\.content\b", r"said(\1.content)", template
        )
    path = user_path(named)
    if not path.is_file():
        raise ConfigError(
            f"data.chat_template: {named!r} is no file, and no template that comes with ftkit."
            f"{did_you_mean(named, TEMPLATES)} There is {name_list(TEMPLATES)}; a file is one of Jinja, such as "
            "chat_template.jinja."
        )
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"data.chat_template: {path} cannot be read: {error}.") from None


def kept_template(named: str | None) -> str | None:
    """Returns what a run keeps of `data.chat_template`: the text of a file, or the name of one of `TEMPLATES`.

    Raises:
        ConfigError: as `template_text`.
    """
    return named if named in TEMPLATES else template_text(named)
