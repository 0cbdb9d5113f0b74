// What a running sum on the device tells the host.
#pragma once
#include <cuda_runtime.h>

#include <cstdint>

namespace skelbench {

// The sum of all, and the first index that did not fit (or one beyond the last).
struct Scanned {
    int64_t total, bad;
};

// Waits for the stream: memory for a result cannot be asked for before its size is known.
inline cudaError_t read_scan(const Scanned* device, Scanned* host, cudaStream_t stream) {
    const cudaError_t error = cudaMemcpyAsync(host, device, sizeof(Scanned), cudaMemcpyDeviceToHost, stream);
    return error ? error : cudaStreamSynchronize(stream);
}

}  // namespace skelbench
