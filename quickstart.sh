#!/usr/bin/env bash
# The whole pipeline on EmojiNet, from drawings to the table: ./quickstart.sh    (6 to 13 minutes on 2 cores that nobody else uses; again: seconds)
# Every step is skipped if its result is there already; delete data/ and output/ to start anew.
set -euo pipefail
cd "$(dirname "$0")"
source ./setup.sh requirements.txt requirements-emojinet.txt
export PATH="$PWD/.venv/bin:$PATH"
# Threads that wait for each other sleep: loaders are at work on the same cores, which spinning would take from them.
export OMP_WAIT_POLICY=${OMP_WAIT_POLICY:-passive}

step() { # step <title> <command ...>
    local start=$SECONDS
    printf '\n== %s\n   %s\n' "$1" "${*:2}"
    "${@:2}"
    printf '== %s: %d s\n' "$1" $((SECONDS - start))
}

without_json() { # without_json python <script> <flag ...>: without the result for programs at the end
    python -u "${@:2}" | sed -u '/^--result$/,$d'
}

train_once() { # train_once <objective>: a run that was interrupted goes on
    local run=output/emojinet_$1
    if [ -e "$run/done" ]; then echo "$run is there already"; return; fi
    without_json python train.py --config "hparams/emojinet_$1.yaml" --channels-last --resume auto
    touch "$run/done"
}

step "render EmojiNet" python -m emojinet.render --out data/emojinet
step "generate the DAD set" python generate.py --config hparams/emojinet_generate.yaml
step "train the plain student" train_once ce
step "train the DAD student" train_once dad
step "score on every variant" without_json python validate.py --config hparams/emojinet_validate.yaml \
    --checkpoint output/emojinet_ce/last.pth.tar output/emojinet_dad/last.pth.tar

printf '\n'
python -m dad.report output/results.json
python -m dad.report output/results.json --html --out output/report.html
cat <<'END'

open  data/emojinet-dad/gallery.html       what the attack and Q do to sixteen pictures, and whether the attack is too weak
      output/report.html                   all scores with their intervals, class by class
      output/emojinet_dad/summary.csv      the run, epoch by epoch

what to change next, a command each (source .venv/bin/activate first; more in README):
  student    python train.py --config hparams/emojinet_dad.yaml --model resnet10t --model-kwargs --experiment emojinet_resnet10t
  teacher    python train.py --config hparams/emojinet_kd.yaml --teacher resnet18@output/emojinet_ce/last.pth.tar
  objective  python train.py --config hparams/emojinet_dad.yaml --objective ard --experiment emojinet_ard
  attack     python generate.py --config hparams/emojinet_generate.yaml --tune-attack
  pictures   your own: README, "Your own pictures"
END
