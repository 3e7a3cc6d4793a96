# Sourced by the other scripts: makes the virtual environment once, and again when its inputs change.
# FTKIT_VENV names another folder than .venv; PYTHON another interpreter than python3.

make_environment() { # $1: extras in brackets, such as "[dev]", or nothing
  local folder="${FTKIT_VENV:-.venv}" stamp
  stamp="$(cat pyproject.toml constraints.txt ftkit/version.py | cksum) $1"
  if [ "$(cat "$folder/ftkit.stamp" 2>/dev/null)" != "$stamp" ]; then
    echo "making the environment in $folder ..." >&2
    "${PYTHON:-python3}" -m venv "$folder"
    "$folder/bin/python" -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".$1"
    echo "$stamp" > "$folder/ftkit.stamp"
  fi
  export PATH="$PWD/$folder/bin:$PATH"
  case "$folder" in /*) export PATH="$folder/bin:$PATH" ;; esac
}
