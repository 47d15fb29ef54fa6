#!/usr/bin/env bash
# From a fresh clone to a first tomogram: sets up .venv, makes a small simulated tilt series in
# ./demo, reconstructs it, and says where the results lie.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/_setup.sh"

setup_environment

raw=demo/raw/sim.mrc
if [ ! -s demo/raw/sim_truth.json ]; then
    say "Making a small simulated tilt series, $raw"
    .venv/bin/tomoline simulate tilt "$raw"
fi

say "Reconstructing it (the first run also compiles the kernels, which takes a minute)"
.venv/bin/tomoline run "$raw" --deliver demo --set setup.gold_diameter_nm=10

result="$TOMOLINE_ROOT/demo/sim"
say "Done. Look at:"
printf '  %-28s%s\n' \
    "tomogram" "$result/sim_rec.mrc" \
    "its central slices" "$result/sim_slice_xy.png" \
    "" "$result/sim_slice_xz.png" \
    "" "$result/sim_slice_yz.png" \
    "report (open in a browser)" "$result/sim_report.html"
cat <<'END'

Your own data come next:

  .venv/bin/tomoline run path/to/series.mrc --deliver results \
      --set setup.gold_diameter_nm=10

and docs/tutorials/five-minutes.md says what to expect.
END
