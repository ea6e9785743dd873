#!/usr/bin/env bash
# timm's calling convention over torchrun: ./distributed_train.sh <processes> <flags of train.py ...>
# DAD_SCRIPT=generate.py (or validate.py) runs another script; NNODES, NODE_RANK, MASTER_ADDR, MASTER_PORT span nodes.
set -euo pipefail
processes=${1:?usage: ./distributed_train.sh <processes per node> <flags ...>}
shift
rendezvous=(--standalone)
if [ "${NNODES:-1}" -gt 1 ]; then
    rendezvous=(--nnodes "$NNODES" --node_rank "${NODE_RANK:?}" --master_addr "${MASTER_ADDR:?}" --master_port "${MASTER_PORT:-29500}")
fi
exec "${PYTHON:-python}" -m torch.distributed.run "${rendezvous[@]}" --nproc_per_node "$processes" \
    "$(dirname "$0")/${DAD_SCRIPT:-train.py}" "$@"
