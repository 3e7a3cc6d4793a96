# Sourced by the other scripts: makes the virtual environment once, and again when its inputs change.
# FTKIT_VENV names another folder than .venv; PYTHON another interpreter than python3.

environment_stamp() { # what the environment depends on
  cat pyproject.toml constraints.txt ftkit/version.py | cksum
}

make_environment() { # $1: extras in brackets, such as "[dev]", or nothing
  local folder="${FTKIT_VENV:-$PWD/.venv}" made
  made="$(cat "$folder/ftkit.stamp" 2>/dev/null || true)"
  # An environment with more extras serves as well as one with none.
  if [ "$made" != "$(environment_stamp) $1" ] && [ "${made% *}" != "$(environment_stamp)$1" ]; then
    echo "making the environment in $folder ..." >&2
    "${PYTHON:-python3}" -m venv "$folder"
    "$folder/bin/python" -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".$1"
    echo "$(environment_stamp) $1" > "$folder/ftkit.stamp"
  fi
  export PATH="$folder/bin:$PATH"
}
