# Makes .venv and installs requirements files into it; sourced by quickstart.sh and test.sh, in either order.
#     source setup.sh requirements.txt ...
# PYTHON chooses the interpreter (3.10 or newer). Nothing is installed again while the requirements files are the same.

install_requirements() {
    local python=${PYTHON:-python3} stamp file
    if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 10))'; then
        echo "error: $python is $("$python" --version 2>&1); Python 3.10 or newer is needed, e.g. PYTHON=python3.11 $0" >&2
        return 4
    fi
    [ -x .venv/bin/python ] || "$python" -m venv .venv || return
    for file in "$@"; do
        stamp=.venv/installed-$(cat requirements*.txt | cksum | tr " " -)-$file
        [ -e "$stamp" ] && continue
        echo "installing $file"
        [ -x .venv/bin/uv ] || .venv/bin/python -m pip install --quiet --disable-pip-version-check uv || return
        .venv/bin/uv pip install --quiet --compile-bytecode --python .venv/bin/python -r "$file" || return
        touch "$stamp"
    done
}

install_requirements "$@"
