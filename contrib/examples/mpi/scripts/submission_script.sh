#!/bin/bash
#SBATCH --job-name=mpi
#SBATCH --time=00:10:00
# EDIT: how many nodes, and how many processes on each
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=4
#SBATCH --mem-per-cpu=1G

fail() {
    printf '%s\n' "$@" >&2
    exit 1
}

# EDIT: what brings mpicc here; "module avail mpi" on a login node shows the names.
module load OpenMPI ||
    fail "No module OpenMPI here. Edit the line 'module load' in scripts/submission_script.sh."
# After the modules: their scripts often use unset variables.
set -euo pipefail

# EDIT: what starts an MPI program here: srun, "srun --mpi=pmix", or mpirun. "srun --mpi=list" shows
# what Slurm knows.
launcher=(srun)

command -v mpicc >/dev/null || fail "No mpicc after 'module load': is it the right module?"
command -v "${launcher[0]}" >/dev/null || fail "No ${launcher[0]} here. Edit the line 'launcher='."

mkdir -p results
mpicc -O2 -o results/pi scripts/pi.c -lm
"${launcher[@]}" results/pi 400000000 | tee results/pi.txt ||
    fail "The program did not run to its end; its messages are above. If it did not even start," \
        "edit the line 'launcher='."

# Without the right kind of MPI, each process believes that it is alone.
expected=${SLURM_NTASKS:-1}
grep -q "^$expected processes" results/pi.txt ||
    fail "The processes did not find each other: $expected were asked for." \
        "Edit the line 'launcher=', e.g. launcher=(srun --mpi=pmix)."
