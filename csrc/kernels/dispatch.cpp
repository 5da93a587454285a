#include "kernels/kernels.h"

#include <atomic>
#include <cstdlib>
#include <stdexcept>

namespace aec {

extern const Kernels scalar_kernels;
#if defined(AEC_HAVE_AVX512)
extern const Kernels avx512_kernels;
#endif
#if defined(AEC_HAVE_AVX2)
extern const Kernels avx2_kernels;
#endif
#if defined(AEC_HAVE_NEON)
extern const Kernels neon_kernels;
#endif

namespace {

std::vector<const Kernels*> available() {
    std::vector<const Kernels*> found;
#if defined(AEC_HAVE_AVX512)
    if (__builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512vnni"))
        found.push_back(&avx512_kernels);
#endif
#if defined(AEC_HAVE_AVX2)
    if (__builtin_cpu_supports("avx2")) found.push_back(&avx2_kernels);
#endif
#if defined(AEC_HAVE_NEON)
    found.push_back(&neon_kernels);
#endif
    found.push_back(&scalar_kernels);
    return found;
}

const Kernels* first_choice() {
    const char* wanted = std::getenv("AECODEC_SIMD");  // for tests and for finding faults
    for (const Kernels* k : available())
        if (!wanted || std::string(wanted) == k->name) return k;
    return &scalar_kernels;
}

std::atomic<const Kernels*>& chosen() {
    static std::atomic<const Kernels*> k{first_choice()};
    return k;
}

}  // namespace

const Kernels& kernels() { return *chosen(); }

std::vector<std::string> available_kernels() {
    std::vector<std::string> names;
    for (const Kernels* k : available()) names.push_back(k->name);
    return names;
}

void choose_kernels(const std::string& name) {
    for (const Kernels* k : available())
        if (name == k->name) {
            chosen() = k;
            return;
        }
    throw std::invalid_argument("this machine has no kernels named '" + name + "'");
}

}  // namespace aec
