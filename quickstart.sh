#!/usr/bin/env bash
# The whole pipeline on EmojiNet, from drawings to the table: ./quickstart.sh    (ten to sixteen minutes on 2 cores; again: seconds)
# Every step is skipped if its result is there already; delete data/ and output/ to start anew.
set -euo pipefail
cd "$(dirname "$0")"
source ./setup.sh requirements.txt requirements-emojinet.txt
export PATH="$PWD/.venv/bin:$PATH"

step() { # step <title> <command ...>
    local start=$SECONDS
    printf '\n== %s\n   %s\n' "$1" "${*:2}"
    "${@:2}"
    printf '== %s: %d s\n' "$1" $((SECONDS - start))
}

train_once() { # train_once <objective>: a run that was interrupted goes on
    local run=output/emojinet_$1
    if [ -e "$run/done" ]; then echo "$run is there already"; return; fi
    python train.py --config "hparams/emojinet_$1.yaml" --resume auto
    touch "$run/done"
}

score() { # score <flag ...>: without the line for programs at the end, which the table says better
    python -u validate.py "$@" | sed -u '/^--result$/,$d'
}

step "render EmojiNet" python -m emojinet.render --out data/emojinet
step "generate the DAD set" python generate.py --config hparams/emojinet_generate.yaml
step "train the plain student" train_once ce
step "train the DAD student" train_once dad
step "score on every variant" score --config hparams/emojinet_validate.yaml \
    --checkpoint output/emojinet_ce/last.pth.tar output/emojinet_dad/last.pth.tar

printf '\n'
python -m dad.report output/results.json
python -m dad.report output/results.json --html --out output/report.html
cat <<'END'

data/emojinet                      EmojiNet, in ImageNet's layout
data/emojinet-dad                  the DAD set; preview.png shows source | Q(x) | Q(x') with the teacher's verdicts
output/emojinet_{ce,dad}           args.yaml, summary.csv, checkpoints, TensorBoard events
output/results.json, report.html    all scores, and a report card of them
END
