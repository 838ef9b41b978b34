#!/bin/bash
# Two machines of eight GPUs under Slurm, weights shared out over all sixteen:
#
#   sbatch examples/distributed/slurm.sh examples/distributed/run.yaml
#
# Slurm sends SIGTERM five minutes before the time is up. The run then ends with a checkpoint (the launcher gives it 30
# seconds to finish its step), and the same command goes on from it; without those, it goes on from the one before.

#SBATCH --job-name=counterpoise
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=1
#SBATCH --gpus-per-node=8
#SBATCH --cpus-per-task=32
#SBATCH --time=12:00:00
#SBATCH --signal=TERM@300
#SBATCH --output=slurm-%j.txt

set -euo pipefail

GPUS_PER_NODE=8
export MAIN_ADDRESS MAIN_PORT GPUS
MAIN_ADDRESS=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
MAIN_PORT=$((20000 + SLURM_JOB_ID % 10000))
GPUS=$((GPUS_PER_NODE * SLURM_NNODES))

# One task a machine; each starts its processes. SLURM_NODEID differs from task to task, so it is expanded there.
srun --kill-on-bad-exit=1 bash -c '
    exec accelerate launch \
        --config_file examples/distributed/fsdp2.yaml \
        --num_processes "$GPUS" \
        --num_machines "$SLURM_NNODES" \
        --machine_rank "$SLURM_NODEID" \
        --main_process_ip "$MAIN_ADDRESS" \
        --main_process_port "$MAIN_PORT" \
        -m counterpoise train "$@"
' counterpoise "$@"
