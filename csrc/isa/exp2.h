// 2^r for r in [-1/2, 1/2]: coefficients of r^1..r^6 (r^0 has 1), a relative minimax fit with error 2e-9, so
// that the result is good to the rounding of float. Own fit (iteratively reweighted least squares on
// Chebyshev nodes).
#pragma once

namespace skelbench {

inline constexpr float kExp2[6] = {0x1.62e43p-1f,  0x1.ebfbdcp-3f,  0x1.c6aee8p-5f,
                                   0x1.3b2d4cp-7f, 0x1.5f3e54p-10f, 0x1.41fbbap-13f};

}  // namespace skelbench
