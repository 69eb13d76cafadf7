#!/usr/bin/env bash
# Fits the network's weights: `make weights`, from nothing, or with
# FROM=csrc/engine/weights.bin STEPS=5000 from weights that there are; with
# DOUBT=1 STEPS=800 beside that, only what closes masks without a lead.  What
# takes longest goes on where it was interrupted.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
export WEIGHTS_DATA=${WEIGHTS_DATA:-$PWD/build/weights}
steps=${STEPS:-10000} parts=12
low=(nice -n 19)
chrt -i 0 true 2>/dev/null && low=(chrt -i 0 nice -n 19)
python=("${low[@]}" /usr/bin/python3)

hours=3
grep -q amx_bf16 /proc/cpuinfo && hours=2 # see model.py
echo "About 6 GB to download, 25 GB on the disk, and $hours hours of two idle cores.  It"
echo "runs at the lowest priority; interrupt it, and it goes on where it was."

"${low[@]}" "$here/fetch.sh"

export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1
export LD_LIBRARY_PATH=$WEIGHTS_DATA/blas/usr/lib/x86_64-linux-gnu/openblas-serial
# This OpenBLAS knows no processor newer than itself.
if grep -q avx512vl /proc/cpuinfo; then
  export OPENBLAS_CORETYPE=SKYLAKEX
elif grep -q avx2 /proc/cpuinfo; then
  export OPENBLAS_CORETYPE=HASWELL
fi
# Kept memory halves a step's time.
export MALLOC_MMAP_THRESHOLD_=4000000000 MALLOC_TRIM_THRESHOLD_=8000000000
export MALLOC_TOP_PAD_=200000000 GLIBC_TUNABLES=glibc.malloc.hugetlb=1

"${python[@]}" "$here/synth.py"
"${python[@]}" "$here/pool.py" v $(seq 0 2 $((parts - 1))) &
"${python[@]}" "$here/pool.py" $(seq 1 2 $((parts - 1)))
wait $!
[ -z "${FROM:-}" ] || "${python[@]}" "$here/solos.py" "$FROM"
"${python[@]}" "$here/train.py" weights "$steps" 2
"${python[@]}" "$here/export.py" weights "$WEIGHTS_DATA/weights.bin"
echo "Copied to csrc/engine/weights.bin, they are worth what"
echo "  make bench BENCHES=spec/bench/separation.lua"
echo "says: on what is mixed here any fit wins."
