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
signals=()
torchrun=$("${PYTHON:-python}" -c 'from importlib.util import find_spec
print(find_spec("torch").submodule_search_locations[0] + "/distributed/run.py")')
if grep -q -e --signals-to-handle "$torchrun"; then
    signals=(--signals-to-handle SIGTERM,SIGINT,SIGHUP,SIGQUIT,SIGUSR1)  # a batch system's warning reaches the script
fi
exec "${PYTHON:-python}" -m torch.distributed.run "${rendezvous[@]}" ${signals[@]+"${signals[@]}"} --nproc_per_node "$processes" \
    "$(dirname "$0")/${DAD_SCRIPT:-train.py}" "$@"
