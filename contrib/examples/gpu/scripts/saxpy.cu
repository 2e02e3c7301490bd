// y = a * x + y on the GPU, checked on the CPU. Ends with 1 if the GPU can't be used or is wrong.
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <vector>

static void check(cudaError_t error, const char *what)
{
        if (error == cudaSuccess)
                return;
        std::fprintf(stderr, "%s: %s\n", what, cudaGetErrorString(error));
        std::exit(1);
}

__global__ void saxpy(int n, float a, const float *x, float *y)
{
        int i = blockIdx.x * blockDim.x + threadIdx.x;

        if (i < n)
                y[i] = a * x[i] + y[i];
}

int main()
{
        const int n = 1 << 24;
        std::vector<float> x(n, 1.5f), y(n, 2.0f);
        float *dx, *dy;

        check(cudaMalloc(&dx, n * sizeof(float)), "memory on the GPU");
        check(cudaMalloc(&dy, n * sizeof(float)), "memory on the GPU");
        check(cudaMemcpy(dx, x.data(), n * sizeof(float), cudaMemcpyHostToDevice), "copy to the GPU");
        check(cudaMemcpy(dy, y.data(), n * sizeof(float), cudaMemcpyHostToDevice), "copy to the GPU");
        saxpy<<<(n + 255) / 256, 256>>>(n, 2.0f, dx, dy);
        check(cudaGetLastError(), "start on the GPU");
        check(cudaMemcpy(y.data(), dy, n * sizeof(float), cudaMemcpyDeviceToHost), "copy from the GPU");
        cudaFree(dx);
        cudaFree(dy);

        for (float value : y)
                if (std::fabs(value - 5.0f) > 1e-6f) {
                        std::fprintf(stderr, "wrong: %f instead of 5\n", value);
                        return 1;
                }
        std::printf("%d values, all 5\n", n);
        return 0;
}
