// Vectors of one lane, for the portable level. Double precision exists here only.
#pragma once
#include <cmath>
#include <cstdint>

namespace skelbench::SKELBENCH_ISA {

struct mask {
    bool m;
};
inline mask operator&(mask a, mask b) {
    return {a.m && b.m};
}
inline mask operator~(mask a) {
    return {!a.m};
}
inline bool any(mask a) {
    return a.m;
}

struct i32 {
    int32_t v;
    static constexpr int width = 1;
    static i32 load(const int32_t* p) { return {*p}; }
    static i32 set(int32_t x) { return {x}; }
};
inline mask operator==(i32 a, i32 b) {
    return {a.v == b.v};
}

template <class T>
struct Lane {
    T v;
    using scalar_type = T;
    using index = i32;
    static constexpr int width = 1;
    // A register tile: rows x cols accumulators.
    static constexpr int rows = 4, cols = 2;
    static Lane load(const T* p) { return {*p}; }
    static Lane set(T x) { return {x}; }
    void store(T* p) const { *p = v; }
};
using f32 = Lane<float>;
using f64 = Lane<double>;

template <class T>
inline Lane<T> operator+(Lane<T> a, Lane<T> b) {
    return {a.v + b.v};
}
template <class T>
inline Lane<T> operator-(Lane<T> a, Lane<T> b) {
    return {a.v - b.v};
}
template <class T>
inline Lane<T> operator*(Lane<T> a, Lane<T> b) {
    return {a.v * b.v};
}
template <class T>
inline Lane<T> fma(Lane<T> a, Lane<T> b, Lane<T> c) {
    return {a.v * b.v + c.v};
}
template <class T>
inline Lane<T> max(Lane<T> a, Lane<T> b) {
    return {a.v > b.v ? a.v : b.v};
}
template <class T>
inline Lane<T> select(mask m, Lane<T> yes, Lane<T> no) {
    return m.m ? yes : no;
}
template <class T>
inline Lane<T> sqrt(Lane<T> a) {
    return {std::sqrt(a.v)};
}
template <class T>
inline T reduce_add(Lane<T> a) {
    return a.v;
}
template <class T>
inline T reduce_max(Lane<T> a) {
    return a.v;
}
template <class T>
inline Lane<T> exp2(Lane<T> a) {
    return {std::exp2(a.v)};
}
template <class T>
inline void transpose(Lane<T> (&)[1]) {}

}  // namespace skelbench::SKELBENCH_ISA
