#!/usr/bin/env bash
# From a fresh clone to a first tomogram: sets up .venv, makes a small simulated tilt series in
# ./demo, reconstructs it, and says where the results lie.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/_setup.sh"

setup_environment

raw=demo/raw/demo.mrc
if [ ! -s demo/raw/demo_truth.json ]; then
    say "Making a small simulated tilt series, $raw"
    .venv/bin/tomoline simulate tilt demo/raw --root demo
fi

say "Reconstructing it (the first run also compiles the kernels, which takes a minute)"
.venv/bin/tomoline run "$raw" --deliver demo/results --set setup.gold_diameter_nm=10

result=demo/results/demo
say "Done. Look at:"
printf '  %-22s %s\n' \
    "tomogram" "$result/demo_rec.mrc" \
    "its central slices" "$result/demo_slice_xy.png, _xz.png, _yz.png" \
    "report (open in a browser)" "$result/demo_report.html"
cat <<'END'

Your own data come next:

  .venv/bin/tomoline run path/to/series.mrc --deliver results --set setup.gold_diameter_nm=10

and docs/tutorials/five-minutes.md says what to expect.
END
