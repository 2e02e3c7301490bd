#!/bin/bash
#SBATCH --job-name=ctf-estimation
#SBATCH --time=04:00:00
# EDIT: how many micrographs at a time
#SBATCH --ntasks=16
#SBATCH --mem-per-cpu=2G

# ---- EDIT: your data ----
micrographs='data/micrographs/*.mrc' # motion-corrected, in quotes
pixel_size=0.885                     # Å, of these micrographs
voltage=300                          # kV
cs=2.7                               # mm, spherical aberration
amplitude_contrast=0.1
defocus_min=5000 # Å
defocus_max=50000
defocus_step=500
resolution_min=30 # Å
resolution_max=5
box=512         # pixels
astigmatism=100 # Å, tolerated

fail() {
    printf '%s\n' "$@" >&2
    exit 1
}

# ---- EDIT: your site ----
# "module avail relion" and "module avail ctffind" on a login node show the names.
module load RELION CTFFIND/4.1 ||
    fail "No modules RELION, CTFFIND/4.1 here. Edit the line 'module load' in scripts/submission_script.sh."
# What starts an MPI program: srun, "srun --mpi=pmix", or mpirun.
launcher=(srun)

# After the modules: their scripts often use unset variables.
set -euo pipefail

command -v relion_run_ctffind_mpi >/dev/null ||
    fail "No relion_run_ctffind_mpi after 'module load': is it the right module?"
ctffind=$(command -v ctffind) || fail "No ctffind after 'module load': is it the right module?"
command -v csh >/dev/null || fail "No csh on $(hostname); RELION needs it to start CTFFIND." \
    "Ask for the package tcsh on the compute nodes, or load a module that has it."
compgen -G "$micrographs" >/dev/null ||
    fail "No micrographs: nothing is called $micrographs. Edit the line 'micrographs='."

mkdir -p Import
relion_import --do_micrographs --i "$micrographs" --odir Import/ --ofile micrographs.star \
    --optics_group_name opticsGroup1 --angpix "$pixel_size" --kV "$voltage" --Cs "$cs" \
    --Q0 "$amplitude_contrast"

# --only_do_unfinished: a retry goes on where the last attempt stopped.
"${launcher[@]}" relion_run_ctffind_mpi --i Import/micrographs.star --o CtfFind/ \
    --only_do_unfinished --is_ctffind4 --ctffind_exe "$ctffind" --ctfWin -1 \
    --Box "$box" --ResMin "$resolution_min" --ResMax "$resolution_max" \
    --dFMin "$defocus_min" --dFMax "$defocus_max" --FStep "$defocus_step" --dAst "$astigmatism"

# RELION goes on when CTFFIND fails on a micrograph: count what there is.
wanted=$(compgen -G "$micrographs" | wc -l)
made=$(grep -c '\.ctf:mrc' CtfFind/micrographs_ctf.star || true)
echo "Estimated the CTF of $made of $wanted micrographs"
((made == wanted)) || fail "CTFFIND failed for $((wanted - made)) micrographs." \
    "What it said is in CtfFind/, one file NAME_ctffind4.log for each micrograph."
