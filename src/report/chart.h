// Small pictures in SVG: lines and marks over two axes, and bars. Values are plain numbers; units stand in titles. The
// colours are told apart by the colour-blind (Okabe and Ito, "Color universal design", 2008), and shapes or dashes say
// the same. All text is escaped here. Each mark has a <title>, which browsers show where the pointer rests.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace sori {

struct Axis {
  std::string title;
  std::vector<double> ticks{};  // on a logarithmic scale; empty: scale and ticks as the values want them
  bool linear = false;          // however wide the range is
  std::vector<double> holds{};  // values that lie within, besides the points': neighbours get one scale
};

struct PlotPoint {
  double x = 0, y = 0;
  std::optional<std::pair<double, double>> interval{};  // of y
  std::vector<double> single{};                         // what y is the mean of
  std::string hint{};
  bool filled = true;
};

enum class SeriesKind { kLine, kMarks, kMarkedLine };

struct Series {
  std::string label;
  std::size_t style = 0;  // colour, shape and dashes; the same for the same thing in every picture
  std::vector<PlotPoint> points;
};

struct Plot {
  std::string title, description;  // for who does not see it
  Axis x, y;
  SeriesKind kind = SeriesKind::kMarkedLine;
  std::vector<Series> series{};
  std::vector<std::pair<double, double>> front{};  // by growing x: a dashed stair
};

struct Bar {
  std::optional<double> value{};  // nothing: was not measured
  std::string text{};             // the value with its unit
};

struct BarGroup {
  std::string label;
  std::size_t style = 0;
  std::vector<Bar> bars;  // one a kind
};

struct BarChart {
  std::string title, description, axis;
  std::vector<std::string> kinds;  // one or two; of two, the first is drawn as a plan: pale, with a dashed edge
  std::vector<BarGroup> groups;
};

// Whole <svg> elements. A plot without points, or bars without groups, are a Bug.
std::string draw(const Plot& plot);
std::string draw(const BarChart& chart);

// About how wide a text is in a font of 12 px.
double text_width(std::string_view text);
// As much of a text as fits, with an ellipsis where it does not.
std::string shortened(const std::string& text, double width);

}  // namespace sori
