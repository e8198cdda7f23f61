#!/usr/bin/env bash
# The long trainings, one process of one thread each, two at a time: D=FOLDER models/queue.sh
#
# D is the folder with lfpw, helen, ytf, utkface, wflw, and aflw68-train, aflw68-test (unpacked COCO keypoints). What is
# to be trained stands in queue.txt, a line a run: its name, the runs it needs, two colons, the command without --run.
# A finished run is passed over and an interrupted one goes on, so starting this again is always right. The list may
# grow while it runs. PROCESSES=1 for one at a time, LIST=FILE for another list, PY=python3 for another Python.
set -u
cd "$(dirname "$0")/.."
: "${D:?say where the data are: D=FOLDER $0}"
: "${LIST:=models/queue.txt}" "${PY:=.venv/bin/python}"
export D OMP_NUM_THREADS=1
mkdir -p runs cache

finished() { [ -e "runs/$1/model.safetensors" ]; }

# Runs the first line that is neither finished, nor running, nor waiting for another. 1: there is none.
next() {
    local line name needs need ended
    while read -r line; do
        name=${line%% *}
        needs=${line%%::*} && needs=${needs#"$name"}
        { finished "$name" || [[ $failed == *" $name "* ]]; } && continue
        for need in $needs; do finished "$need" || continue 2; done
        exec 9>"runs/.$name.lock"
        flock -n 9 || continue
        echo "$(date +%H:%M) $name"
        eval "nice -n 10 $PY -m ${line#*:: } --run $name" >>"runs/$name.log" 2>&1 9>&-
        ended=$?
        echo "$(date +%H:%M) $name ended with $ended: see runs/$name.log"
        finished "$name" || failed+="$name "
        return 0
    done < <(grep -v -e '^#' -e '^$' "$LIST")
    return 1
}

# Another process trains a line: what needs that one may follow.
running() {
    local lock
    for lock in runs/.*.lock; do
        exec 9>"$lock"
        flock -n 9 || { exec 9>&-; sleep 2; return 0; }
        exec 9>&-
    done
    return 1
}

work() {
    local failed=" "
    while next || running; do :; done
}

for _ in $(seq "${PROCESSES:-2}"); do work & sleep 1; done
wait
