// The polynomial for 2^r, r in [-1/2, 1/2]: the coefficients of r^1..r^6. That of r^0 is 1. A relative
// minimax fit with error 2e-9, below the rounding of float. Own fit, by iteratively reweighted least squares
// on Chebyshev nodes.
#pragma once

namespace skelbench {

inline constexpr float kExp2[6] = {0x1.62e43p-1f,  0x1.ebfbdcp-3f,  0x1.c6aee8p-5f,
                                   0x1.3b2d4cp-7f, 0x1.5f3e54p-10f, 0x1.41fbbap-13f};

}  // namespace skelbench
