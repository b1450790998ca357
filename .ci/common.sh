# What the scripts beside this one share, which source it: sections with their times, and a clean checkout.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
work=$(mktemp -d)
section="set-up"
started=$SECONDS

finish() {
    local status=$?
    rm -rf "$work"
    if [ "$status" -ne 0 ]; then
        printf '\n=== FAILED: %s (exit code %d, after %d s)\n' "$section" "$status" "$((SECONDS - started))"
    fi
}
trap finish EXIT

begin() {
    if [ "$section" != "set-up" ]; then
        printf -- '--- %s: %d s\n' "$section" "$((SECONDS - started))"
    fi
    section=$1
    started=$SECONDS
    printf '\n=== %s\n' "$section"
}

# What git tracks, with the changes not yet committed, and nothing else, in the folder $1.
check_out() {
    local state
    state=$(git -C "$root" stash create 2> /dev/null || true)
    mkdir "$1"
    git -C "$root" archive "${state:-HEAD}" | tar -x -C "$1"
}

unset PYTHONPATH PYTHONHOME VIRTUAL_ENV TINYNN_CPU
export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_PROGRESS_BAR=off PIP_QUIET=1 MPLBACKEND=agg
# Tests of the full MNIST run where it lies beside the checkout.
if [ -z "${TINYNN_DATA:-}" ] && [ -d "$root/../shared/mnist" ]; then
    TINYNN_DATA=$(cd "$root/../shared/mnist" && pwd)
    export TINYNN_DATA
fi
