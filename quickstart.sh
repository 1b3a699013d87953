#!/usr/bin/env bash
# From a fresh Debian 12 machine to a better model: installs, builds, fetches Whisper base, makes a Korean corpus, fine-tunes, compares.
#
#   ./quickstart.sh                2,000 sentences, 100 steps: about 15 minutes on two cores
#   ./quickstart.sh --quick        80 sentences, 10 steps: about 3 minutes; shows that everything works, not how well
#   ./quickstart.sh --model DIR    another Whisper model (Hugging Face or CTranslate2 folder)
#   ./quickstart.sh --data DIR     your own recordings, in any layout that `sori prepare` reads
#
# A second run reuses what the first one made. Downloads lie in ~/.cache/sori, results in work/.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

usage() {
  sed -n '4,7s/^# *//p' "$0"
}

model='' data='' quick=false
while [[ $# -gt 0 ]]; do
  case "$1" in
    --model | --data)
      [[ -d ${2:-} ]] || { echo "quickstart: $1 needs a folder" >&2; exit 2; }
      printf -v "${1#--}" '%s' "$(realpath "$2")"
      shift 2
      ;;
    --quick) quick=true; shift ;;
    -h | --help) usage; exit 0 ;;
    *) echo "quickstart: unknown option $1" >&2; usage >&2; exit 2 ;;
  esac
done

if $quick; then
  name=quick sizes=(--train 60 --dev 20 --eval 20) steps=10
else
  name=full sizes=(--train 2000 --dev 100 --eval 200) steps=100
fi
cache=${XDG_CACHE_HOME:-$HOME/.cache}/sori
work=work/quickstart-$name
# What the full run must reach with Whisper base and its own corpus; ten steps and other data reach what they reach.
goal=()
$quick || [[ -n $model$data ]] || goal=(--highest-cer 6)
# Another model or other data gets results of its own.
[[ -z $model$data ]] || work+=-$(cksum <<<"$model|$data" | cut -d' ' -f1)
mkdir -p "$work"
sori=build/release/src/sori

say() { printf '\n== %s\n' "$*"; }

say "Packages and build"
scripts/bootstrap.sh
cmake --preset release --log-level=NOTICE
cmake --build --preset release --target sori

say "Model and data"
[[ -n $model ]] || model=$(tools/fetch_model.py)
if [[ -z $data ]]; then
  data=$cache/corpus-$name
  tools/make_corpus.py "$data" "${sizes[@]}"
fi
[[ -d $work/model ]] || "$sori" import "$model" "$work/model"
[[ -d $work/data ]] || "$sori" prepare "$data" "$work/data"

# KsponSpeech's own name for its evaluation list, or the one prepare gives to what it divides itself.
split="eval"
[[ ! -f $work/data/eval_clean.jsonl ]] || split=eval_clean

evaluate() {  # evaluate RESULT.json OPTION...
  local result=$1
  shift
  [[ -f $result ]] || "$sori" evaluate --model "$work/model" --data "$work/data" --split "$split" --max-new-tokens 128 --json "$result" "$@"
}

say "Before"
evaluate "$work/before.json"

say "Training: LoRA, $steps steps of 4 utterances"
if [[ ! -f $work/train.json ]]; then
  # What an interrupted run left behind has no result and is made again.
  "$sori" train --model "$work/model" --data "$work/data" --output-dir "$work/run" --method lora --max-steps "$steps" \
    --per-device-train-batch-size 4 --overwrite-output-dir --json "$work/train.json"
fi

say "After"
evaluate "$work/after.json" --adapter "$work/run"
say "A human voice"
"$sori" transcribe --model "$work/model" --adapter "$work/run" tests/golden/clips/test_ko.wav

say "Result"
tools/quickstart_table.py "$work" "${goal[@]}"
