#!/bin/sh
# Checks a change to the configuration, and writes the comment for it: review.sh BASE COMMENT
#
# Every step runs, whatever became of those before it; the exit status is 1 if one failed. The
# pipelines beside this script call nothing else, so it can be tried on any machine.
set -u
base=$1 comment=$2 status=0

step() {
	echo "== $*" >&2
	"$@" || status=1
}

step tidegate fmt --check --diff --recursive .
step tidegate validate
step tidegate test

# The change may be a stranger's: it runs no program and connects to our own hosts alone. Where
# values were recorded, it connects to none.
set -- --base "$base" --no-exec --allow-host "${CONFIG_HOST:-config.example.com}" --format markdown
if [ -d recorded ]; then
	set -- "$@" --recorded recorded
fi
echo "== tidegate plan $*" >&2
tidegate plan "$@" >"$comment" || status=1
exit $status
