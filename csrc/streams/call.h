// A call of the streams op on either device: its tensors, with dtypes and shapes checked, and its joints. The
// devices check the values of the tensors.
#pragma once
#include <optional>
#include <tuple>
#include <vector>

#include "host/tensors.h"
#include "streams/kernels.h"

namespace skelbench::streams {

using Numbers = std::vector<int64_t>;
using MaybeTensor = std::optional<Tensor>;
// The streams, and who is there.
using Result = std::tuple<Tensor, Tensor>;

// Copies joint numbers into a skeleton.
template <int most>
int32_t copy_joints(const Numbers& from, int64_t joints, uint8_t (&to)[most], const char* name,
                    size_t least = 0) {
    STD_TORCH_CHECK(from.size() >= least && from.size() <= most, "streams: ", name, " has ", from.size(),
                    " joints, expected ", least, " to ", most);
    for (size_t i = 0; i < from.size(); ++i) {
        STD_TORCH_CHECK(from[i] >= 0 && from[i] < joints, "streams: ", name, " names joint ", from[i], " of ",
                        joints);
        to[i] = static_cast<uint8_t>(from[i]);
    }
    return static_cast<int32_t>(from.size());
}

inline Skeleton skeleton_of(int64_t root, const Numbers& origin, const Numbers& mirrored,
                            const Numbers& parents, const Numbers& landmarks, const Numbers& torso) {
    Skeleton s{};
    const int64_t joints = static_cast<int64_t>(parents.size());
    s.joints = copy_joints(parents, joints, s.parent, "parents", 1);
    STD_TORCH_CHECK(root >= 0 && root < joints, "streams: root is joint ", root, " of ", joints);
    s.root = static_cast<int32_t>(root);
    s.origins = copy_joints(origin, joints, s.origin, "origin", 1);
    s.marks = copy_joints(landmarks, joints, s.marked, "landmarks");
    STD_TORCH_CHECK(copy_joints(mirrored, joints, s.mirrored, "mirrored") == joints,
                    "streams: mirrored must have a joint for each of ", joints);
    for (int64_t j = 0; j < joints; ++j)
        STD_TORCH_CHECK(mirrored[mirrored[j]] == j, "streams: mirrored must be pairs, but joint ", j,
                        " goes to ", mirrored[j], ", and that one to ", mirrored[mirrored[j]]);
    Numbers left, right;
    STD_TORCH_CHECK(torso.size() % 2 == 0, "streams: torso must be pairs of joints");
    for (size_t i = 0; i < torso.size(); ++i) (i % 2 ? right : left).push_back(torso[i]);
    s.pairs = copy_joints(left, joints, s.left, "torso");
    copy_joints(right, joints, s.right, "torso");
    // Joints whose parents have a place get the next ones.
    bool placed[kMostJoints] = {};
    int64_t places = 0;
    for (int64_t before = -1; before < places;) {
        before = places;
        for (int64_t j = 0; j < joints; ++j) {
            if (placed[j] || (parents[j] != j && !placed[parents[j]])) continue;
            placed[j] = true;
            s.order[places++] = static_cast<uint8_t>(j);
        }
    }
    STD_TORCH_CHECK(places == joints, "streams: parents run in a circle");
    return s;
}

struct Call {
    Tensor joints, offsets, frames, bodies, times;
    MaybeTensor maps, limbs, mirror, noise, hidden, axis;
    Batch batch{};

    Call(const Tensor& x, const Tensor& o, const Tensor& f, const Tensor& m, const Tensor& t,
         const Skeleton& skeleton, const Numbers& streams, int64_t places, int64_t up, double unit)
        : joints(checked(x, ScalarType::Float, 3, "streams: joints")),
          offsets(checked(o, ScalarType::Long, 1, "streams: offsets")),
          frames(checked(f, ScalarType::Long, 1, "streams: frames")),
          bodies(checked(m, ScalarType::Long, 1, "streams: bodies")),
          times(checked(t, ScalarType::Float, 2, "streams: times")) {
        const int64_t count = frames.size(0);
        STD_TORCH_CHECK(joints.size(1) == skeleton.joints && joints.size(2) == 3,
                        "streams: joints must be (R, ", skeleton.joints, ", 3), not (R, ", joints.size(1),
                        ", ", joints.size(2), ")");
        STD_TORCH_CHECK(offsets.size(0) == count && bodies.size(0) == count && times.size(0) == count,
                        "streams: offsets, bodies and times must have one number or row per clip");
        STD_TORCH_CHECK(times.size(1) >= 1, "streams: times must have at least one column");
        STD_TORCH_CHECK(places >= 1 && places <= 1024, "streams: places must be in [1, 1024], not ", places);
        STD_TORCH_CHECK(up >= 0 && up < 3, "streams: up must be 0, 1 or 2, not ", up);
        STD_TORCH_CHECK(unit > 0, "streams: unit must be above 0, not ", unit);
        bool seen[kStreams] = {};
        for (const int64_t stream : streams) {
            STD_TORCH_CHECK(stream >= 0 && stream < kStreams && !seen[stream], "streams: ", stream,
                            " is no stream, or stands twice");
            seen[stream] = true;
            batch.stream[batch.streams++] = static_cast<uint8_t>(stream);
            batch.channels += stream == kInvariant ? kInvariants + skeleton.marks : 3;
        }
        STD_TORCH_CHECK(batch.streams > 0, "streams: streams must name at least one");
        batch.joints = joints.const_data_ptr<float>();
        batch.rows = joints.size(0);
        batch.offsets = offsets.const_data_ptr<int64_t>();
        batch.frames = frames.const_data_ptr<int64_t>();
        batch.bodies = bodies.const_data_ptr<int64_t>();
        batch.times = times.const_data_ptr<float>();
        batch.count = count;
        batch.sampled = times.size(1);
        batch.places = places;
        batch.up = static_cast<int32_t>(up);
        batch.scale = static_cast<float>(1 / unit);
        batch.skeleton = skeleton;
    }

    // What the views are made of.
    void see(const MaybeTensor& a, const MaybeTensor& l, const MaybeTensor& m, const MaybeTensor& n,
             const MaybeTensor& h, const MaybeTensor& x) {
        const int64_t b = batch.count, j = batch.skeleton.joints;
        batch.maps = part<float>(maps, a, ScalarType::Float, {b, 3, 3}, "streams: maps");
        batch.limbs = part<float>(limbs, l, ScalarType::Float, {b, j}, "streams: limbs");
        batch.mirror = part<bool>(mirror, m, ScalarType::Bool, {b}, "streams: mirror");
        batch.noise = part<float>(noise, n, ScalarType::Float, {b, batch.places, batch.sampled, j, 3},
                                  "streams: noise");
        batch.hidden = part<bool>(hidden, h, ScalarType::Bool, {b, batch.places, j}, "streams: hidden");
        batch.axis = part<int64_t>(axis, x, ScalarType::Long, {b}, "streams: axis");
    }

    // Memory for the result.
    Result result() {
        Tensor out = torch::stable::new_empty(
            joints, {batch.count, batch.places, batch.sampled, batch.skeleton.joints, batch.channels});
        Tensor present =
            torch::stable::new_empty(joints, {batch.count, batch.places, batch.sampled}, ScalarType::Bool);
        batch.out = out.mutable_data_ptr<float>();
        batch.present = present.mutable_data_ptr<bool>();
        return {out, present};
    }

private:
    template <class T>
    static const T* part(MaybeTensor& kept, const MaybeTensor& given, ScalarType dtype, const Numbers& shape,
                         const char* name) {
        if (!given) return nullptr;
        kept = checked(*given, dtype, static_cast<int64_t>(shape.size()), name);
        for (size_t i = 0; i < shape.size(); ++i)
            STD_TORCH_CHECK(kept->size(static_cast<int64_t>(i)) == shape[i], name, " has size ",
                            kept->size(static_cast<int64_t>(i)), " in dimension ", i, ", expected ",
                            shape[i]);
        return kept->const_data_ptr<T>();
    }
};

}  // namespace skelbench::streams
