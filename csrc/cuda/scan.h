// The result of a running sum on the device, for the host.
#pragma once
#include <cuda_runtime.h>

#include <cstdint>

namespace skelbench {

// The sum of all sizes, and the first index that did not fit (or one beyond the last).
struct Scanned {
    int64_t total, bad;
};

// Waits for the stream. The memory of a result cannot be allocated before its size is known.
inline cudaError_t read_scan(const Scanned* device, Scanned* host, cudaStream_t stream) {
    const cudaError_t error = cudaMemcpyAsync(host, device, sizeof(Scanned), cudaMemcpyDeviceToHost, stream);
    return error ? error : cudaStreamSynchronize(stream);
}

}  // namespace skelbench
