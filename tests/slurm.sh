#!/usr/bin/env bash
# Runs a small study through a real Slurm on this machine, kills one training midway, and compares the
# report with the one of a local run. Opt-in: needs root and Debian's slurm-wlm and munge; everything
# it starts listens on the loopback interface and is stopped at the end.
#
#     apt-get install slurm-wlm munge && pip install -e '.[slurm]' && bash tests/slurm.sh
set -euo pipefail
cd "$(dirname "$0")/.."
for tool in munged slurmctld slurmd sbatch snakemake; do
    command -v $tool > /dev/null || { echo "error: $tool: not found; see the head of $0"; exit 1; }
done
conf=/etc/slurm/slurm.conf  # where jobs look for it: Snakemake hands them no SLURM_* variables
[ ! -e $conf ] || { echo "error: $conf exists: this machine has a Slurm already, use the profile on it"; exit 1; }
[ "$(id -u)" = 0 ] || { echo "error: Slurm's daemons need root here; run as root"; exit 1; }

work=$(mktemp -d)
export GANREPRO_MLFLOW=off GANREPRO_SAVE_SECONDS=1
stop() {
    local status=$?
    [ $status = 0 ] || tail -n 30 "$work"/*.log $(find "$work/cluster/.snakemake/slurm_logs" -name '*.log' 2> /dev/null)
    scancel --user=root 2> /dev/null || true
    kill $(cat "$work"/*.pid 2> /dev/null) 2> /dev/null || true
    for _ in $(seq 20); do rm -rf "$work" $conf 2> /dev/null && break; sleep 0.5; done  # daemons write until they have stopped
}
trap stop EXIT

mkdir -p "$work/state" "$work/spool" /run/munge
chown munge: /run/munge && chmod 755 "$work" /run/munge
cat > $conf << CONF
ClusterName=loopback
SlurmctldHost=$(hostname -s)(127.0.0.1)
SlurmUser=root
AuthType=auth/munge
StateSaveLocation=$work/state
SlurmdSpoolDir=$work/spool
SlurmctldPidFile=$work/slurmctld.pid
SlurmdPidFile=$work/slurmd.pid
SlurmctldLogFile=$work/slurmctld.log
SlurmdLogFile=$work/slurmd.log
SelectType=select/cons_tres
TaskPlugin=task/none
ProctrackType=proctrack/linuxproc
ReturnToService=2
MinJobAge=600
NodeName=$(hostname -s) NodeAddr=127.0.0.1 CPUs=$(nproc) RealMemory=6000 State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
CONF
pgrep -x munged > /dev/null || runuser -u munge -- munged
slurmctld
slurmd
for _ in $(seq 60); do sinfo --noheader --format %T 2> /dev/null | grep -q idle && break; sleep 0.5; done
sinfo

for place in local cluster; do  # two checkouts of this state, with a study of seconds
    mkdir "$work/$place"
    git ls-files -z | xargs -0 tar -cf - | tar -xf - -C "$work/$place"
    (cd "$work/$place" && git init -q && python - << 'PYTHON')
import json
from pathlib import Path

from ruamel.yaml import YAML

params = YAML(typ="safe", pure=True).load(Path("params.yaml").read_text())
params["reports"] = {"cyclegan_ablation": "streets-tiny"}
params["datasets"]["streets"] |= {"pixels": 64, "train_images": 12, "test_images": 4}
params["readers"]["small"] |= {"epochs": 2}
params["studies"]["streets-tiny"] |= {"seeds": [0], "epoch_images": 30, "epochs_constant": 1, "epochs_decay": 1}
Path("params.yaml").write_text(json.dumps(params))  # JSON is YAML
PYTHON
done
echo "local run"
(cd "$work/local" && snakemake --cores 2 > "$work/local.log" 2>&1)
echo "the same through sbatch"
cd "$work/cluster"
snakemake --workflow-profile profiles/slurm --default-resources slurm_partition=main runtime=60 mem_mb=1500 --set-threads prepare=2 \
    --set-resources train:mem_mb=1500 > "$work/cluster.log" 2>&1 &
workflow=$!
victim=""
while [ -z "$victim" ]; do  # a training that has saved something and is not done
    kill -0 $workflow 2> /dev/null || { echo "error: the workflow ended before a training could be killed"; exit 1; }
    sleep 0.2
    victim=$(find work -name checkpoint.pt -path 'work/*-s0-*' 2> /dev/null | head -n 1 || true)
done
key=$(basename "$(dirname "$victim")")
process=$(pgrep -f "^[^ ]*python[^ ]* -m pipeline.train .*$key" | head -n 1)  # not the shell around it
kill -KILL "$process"
echo "killed: $key (process $process)"
wait $workflow
grep -q '"resumed": 1' "runs/streets-tiny/$key/timing.json" || { echo "error: $key did not resume"; exit 1; }
echo "jobs that went through Slurm: $(grep -c 'has been submitted with SLURM jobid' "$work/cluster.log")"

# Times differ, in the page's last column and in one line of its footer; nothing else may.
python - "$work" << 'PYTHON'
import re
import sys
from pathlib import Path

work, different = Path(sys.argv[1]), []
names = sorted(p.relative_to(work / "local") for p in (work / "local" / "reports").rglob("*") if p.is_file())
for name in [n for n in names if "cyclegan_ablation" in str(n)]:
    one, other = ((work / place / name).read_bytes() for place in ("local", "cluster"))
    if name.suffix == ".md":
        one, other = (re.sub(rb"[0-9.]+ (s|min|h)\b.*", b"TIME", page) for page in (one, other))
    if one != other:
        different.append(str(name))
    else:
        print("equal:", name)
sys.exit(f"error: different: {', '.join(different)}" if different else 0)
PYTHON
