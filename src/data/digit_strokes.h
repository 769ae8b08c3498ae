// The shapes of the generated digits: how a pen draws each of them, in a few common ways.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <span>
#include <vector>

namespace sluice::data {

// In hundredths of the digit's box: x to the right, y down.
struct StrokePoint {
  int8_t x, y;
};

enum class Line : uint8_t {
  kStraight,  // from point to point
  kCurve,     // a smooth curve through the points (Catmull-Rom)
  kLoop,      // the same, closed
};

struct Stroke {
  Line line;
  std::vector<StrokePoint> points;
};

using Glyph = std::vector<Stroke>;

// The ways to write `digit`, 0 to 9; at least two each.
std::span<const Glyph> glyphs_of(int digit);

}  // namespace sluice::data
