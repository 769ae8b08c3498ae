#include "data/digits.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <stdexcept>
#include <thread>
#include <vector>

#include "core/cores.h"
#include "core/rng.h"
#include "data/digit_strokes.h"

namespace sluice::data {
namespace {

using core::Rng;

struct Point {
  float x, y;
};

// How far records differ: enough to keep a linear model well below a CNN (see digits.h).
constexpr float kWobble = 0.045f;  // of a stroke's points, in parts of the box
constexpr float kBend = 0.22f;     // quadratic warp of the box
constexpr float kShear = 0.35f;
constexpr float kHalfTurn = 0.14f;  // tangent of half the largest rotation: 16 degrees
constexpr float kHeightLow = 14.0f, kHeightHigh = 21.0f;  // of the box, in pixels
constexpr float kNarrowLow = 0.62f, kNarrowHigh = 1.0f;   // its width by its height
constexpr float kShift = 2.6f;                            // of its centre, in pixels
constexpr float kRadiusLow = 0.6f, kRadiusHigh = 1.7f;    // of the pen, in pixels
constexpr float kInkLow = 0.55f, kInkHigh = 1.0f;
constexpr float kNoiseHigh = 0.16f;  // largest amplitude of the noise
constexpr uint64_t kMarks = 3;       // one less than this many stray marks at most
constexpr int kPiecesPerCurve = 6;   // straight pieces between two points of a curve

// x' = M (bent point) + centre, all drawn once per record.
class Placement {
 public:
  explicit Placement(Rng& rng) {
    for (float& b : bend_) b = rng.uniform(-kBend, kBend);
    const float height = rng.uniform(kHeightLow, kHeightHigh);
    const float width = height * rng.uniform(kNarrowLow, kNarrowHigh);
    const float shear = rng.uniform(-kShear, kShear);
    const float t = rng.uniform(-kHalfTurn, kHalfTurn);
    const float cosine = (1 - t * t) / (1 + t * t), sine = 2 * t / (1 + t * t);
    xx_ = cosine * width;
    xy_ = cosine * shear * height - sine * height;
    yx_ = sine * width;
    yy_ = sine * shear * height + cosine * height;
    centre_ = {kDigitSide / 2.0f + rng.uniform(-kShift, kShift),
               kDigitSide / 2.0f + rng.uniform(-kShift, kShift)};
  }

  // From the box, [-0.5, 0.5] squared, to pixels.
  Point operator()(Point p) const {
    const float x = p.x + bend_[0] * p.y * p.y + bend_[1] * p.x * p.y;
    const float y = p.y + bend_[2] * p.x * p.x + bend_[3] * p.x * p.y;
    return {xx_ * x + xy_ * y + centre_.x, yx_ * x + yy_ * y + centre_.y};
  }

 private:
  std::array<float, 4> bend_;
  float xx_, xy_, yx_, yy_;
  Point centre_;
};

// Squared distance of every pixel's centre to the nearest line drawn so far.
class Canvas {
 public:
  Canvas() { distance_.fill(1e6f); }

  // `reach`: beyond this distance pixels need not know.
  void line(Point a, Point b, float reach) {
    const auto pixel = [](float v) {
      return static_cast<int>(std::clamp(v, 0.0f, static_cast<float>(kDigitSide)));
    };
    const float dx = b.x - a.x, dy = b.y - a.y;
    const float length = std::max(dx * dx + dy * dy, 1e-12f);
    for (int row = pixel(std::min(a.y, b.y) - reach); row < pixel(std::max(a.y, b.y) + reach + 1);
         ++row) {
      for (int column = pixel(std::min(a.x, b.x) - reach);
           column < pixel(std::max(a.x, b.x) + reach + 1); ++column) {
        const float px = static_cast<float>(column) + 0.5f - a.x;
        const float py = static_cast<float>(row) + 0.5f - a.y;
        const float t = std::clamp((px * dx + py * dy) / length, 0.0f, 1.0f);
        const float ex = px - t * dx, ey = py - t * dy;
        float& d = distance_[static_cast<size_t>(row * kDigitSide + column)];
        d = std::min(d, ex * ex + ey * ey);
      }
    }
  }

  // Adds ink where the pen of `radius` has been, its edge one pixel soft.
  void ink(float radius, float strength, std::span<float> picture) const {
    for (size_t i = 0; i < distance_.size(); ++i) {
      const float cover = std::clamp(radius + 0.5f - std::sqrt(distance_[i]), 0.0f, 1.0f);
      picture[i] = std::max(picture[i], cover * strength);
    }
  }

 private:
  std::array<float, kDigitPixels> distance_;
};

Point catmull_rom(Point p0, Point p1, Point p2, Point p3, float t) {
  const auto along = [t](float a, float b, float c, float d) {
    return 0.5f *
           (2 * b + t * (c - a + t * (2 * a - 5 * b + 4 * c - d + t * (3 * b - a - 3 * c + d))));
  };
  return {along(p0.x, p1.x, p2.x, p3.x), along(p0.y, p1.y, p2.y, p3.y)};
}

// The straight pieces of a stroke through `points`, in the box.
std::vector<Point> flatten(const std::vector<Point>& points, Line line) {
  if (line == Line::kStraight) return points;
  const auto n = static_cast<int>(points.size());
  const auto at = [&](int i) {
    if (line == Line::kLoop) return points[static_cast<size_t>((i + n) % n)];
    return points[static_cast<size_t>(std::clamp(i, 0, n - 1))];
  };
  std::vector<Point> path = {points[0]};
  const int spans = line == Line::kLoop ? n : n - 1;
  for (int i = 0; i < spans; ++i) {
    for (int piece = 1; piece <= kPiecesPerCurve; ++piece) {
      const float t = static_cast<float>(piece) / kPiecesPerCurve;
      path.push_back(catmull_rom(at(i - 1), at(i), at(i + 1), at(i + 2), t));
    }
  }
  return path;
}

void draw_glyph(Rng& rng, const Glyph& glyph, std::span<float> picture) {
  const Placement place(rng);
  const float radius = rng.uniform(kRadiusLow, kRadiusHigh);
  const float strength = rng.uniform(kInkLow, kInkHigh);
  Canvas canvas;
  std::vector<Point> points;
  for (const Stroke& stroke : glyph) {
    points.clear();
    for (StrokePoint p : stroke.points) {
      const float x = static_cast<float>(p.x) / 100.0f - 0.5f + rng.uniform(-kWobble, kWobble);
      const float y = static_cast<float>(p.y) / 100.0f - 0.5f + rng.uniform(-kWobble, kWobble);
      points.push_back({x, y});
    }
    const std::vector<Point> path = flatten(points, stroke.line);
    for (size_t i = 1; i < path.size(); ++i) {
      canvas.line(place(path[i - 1]), place(path[i]), radius + 1);
    }
  }
  canvas.ink(radius, strength, picture);
}

// A short stray line or dot anywhere.
void draw_mark(Rng& rng, std::span<float> picture) {
  const float x = rng.uniform(0, kDigitSide), y = rng.uniform(0, kDigitSide);
  const float dx = rng.uniform(-4, 4), dy = rng.uniform(-4, 4);
  const float radius = rng.uniform(0.3f, 1.1f);
  const float strength = rng.uniform(0.3f, 0.9f);
  Canvas canvas;
  canvas.line({x, y}, {x + dx, y + dy}, radius + 1);
  canvas.ink(radius, strength, picture);
}

// Adds noise between -amplitude and amplitude, denser around 0 (the sum of two uniform bytes).
void add_noise(Rng& rng, std::span<const float> picture, std::span<uint8_t> pixels) {
  const float amplitude = rng.uniform(0, kNoiseHigh);
  uint64_t bits = 0;
  for (size_t i = 0; i < pixels.size(); ++i) {
    if (i % 4 == 0) bits = rng.next();
    const auto sum = static_cast<float>((bits & 0xFF) + (bits >> 8 & 0xFF));
    bits >>= 16;
    const float value = picture[i] + amplitude * (sum / 255.0f - 1.0f);
    pixels[i] = static_cast<uint8_t>(std::clamp(value, 0.0f, 1.0f) * 255.0f + 0.5f);
  }
}

}  // namespace

int32_t draw_digit(uint64_t seed, int64_t index, std::span<uint8_t> pixels) {
  if (pixels.size() != kDigitPixels) {
    throw std::invalid_argument(fmt::format("draw_digit: expected room for {} pixels, got {}",
                                            kDigitPixels, pixels.size()));
  }
  Rng rng(seed, {static_cast<uint64_t>(index)});
  std::array<float, kDigitPixels> picture{};
  const auto digit = static_cast<int32_t>(rng.below(10));
  const auto glyphs = glyphs_of(digit);
  draw_glyph(rng, glyphs[rng.below(glyphs.size())], picture);
  for (uint64_t marks = rng.below(kMarks); marks > 0; --marks) draw_mark(rng, picture);
  add_noise(rng, picture, pixels);
  return digit;
}

std::shared_ptr<const Records> generate_digits(int64_t first, int64_t count, uint64_t seed) {
  if (first < 0 || count < 1) {
    throw std::invalid_argument(fmt::format(
        "generated digits: expected at least one record from 0 on, got {} from {}", count, first));
  }
  struct Storage {
    std::vector<uint8_t> pixels;
    std::vector<int32_t> labels;
  };
  auto storage = std::make_shared<Storage>();
  storage->pixels.resize(static_cast<size_t>(count) * kDigitPixels);
  storage->labels.resize(static_cast<size_t>(count));
  const auto draw = [&](int64_t begin, int64_t end) {
    for (auto i = static_cast<size_t>(begin); i < static_cast<size_t>(end); ++i) {
      const auto pixels = std::span(storage->pixels).subspan(i * kDigitPixels, kDigitPixels);
      storage->labels[i] = draw_digit(seed, first + static_cast<int64_t>(i), pixels);
    }
  };
  const int64_t threads = std::min<int64_t>(core::available_cores(), (count + 999) / 1000);
  std::vector<std::jthread> drawers;
  for (int64_t t = 1; t < threads; ++t) {
    drawers.emplace_back(draw, count * t / threads, count * (t + 1) / threads);
  }
  draw(0, count / threads);
  drawers.clear();  // waits for them
  RecordsInfo info;
  info.name = "generated digits";
  info.sample_shape = Shape{kDigitSide, kDigitSide, 1};
  info.records = count;
  info.origin = fmt::format("generated, seed {}", seed);
  info.source = {.kind = "digits", .files = {}, .seed = seed, .first = first};
  return std::make_shared<const Records>(std::move(info), std::as_bytes(std::span(storage->pixels)),
                                         storage->labels, storage);
}

}  // namespace sluice::data
