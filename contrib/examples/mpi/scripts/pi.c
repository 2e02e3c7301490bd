/* Pi by the midpoint rule, shared out to all processes: pi STEPS */

#include <math.h>
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv) {
        long steps = argc > 1 ? atol(argv[1]) : 100000000;
        double part = 0, pi = 0;
        int rank, size;

        MPI_Init(&argc, &argv);
        MPI_Comm_rank(MPI_COMM_WORLD, &rank);
        MPI_Comm_size(MPI_COMM_WORLD, &size);

        for (long i = rank; i < steps; i += size) {
                double x = ((double)i + 0.5) / (double)steps;

                part += 4 / (1 + x * x) / (double)steps;
        }
        MPI_Reduce(&part, &pi, 1, MPI_DOUBLE, MPI_SUM, 0, MPI_COMM_WORLD);
        if (rank == 0)
                printf("%d processes: pi is %.12f, wrong by %.1e\n", size, pi, fabs(pi - acos(-1)));
        MPI_Finalize();
        return 0;
}
