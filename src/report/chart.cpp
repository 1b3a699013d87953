#include "report/chart.h"

#include <numbers>

#include "base/error.h"
#include "base/unicode.h"
#include "report/markup.h"
#include "report/scale.h"

namespace sori {
namespace {

constexpr double kWidth = 540, kHeight = 340;
constexpr double kTop = 30, kBottom = 46, kLine = 15, kGap = 8;
constexpr double kLongestLabel = 190;
constexpr const char* kInk = "#1a1a1a";
constexpr const char* kGrey = "#767676";
constexpr const char* kGrid = "#e4e4e4";

constexpr std::array kColours{"#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000"};
constexpr std::array kDashes{"none", "7 3", "2 2", "9 3 2 3", "4 2"};
// Regular polygons by their corners and the direction of the first, in degrees; no corners: a circle.
struct Shape {
  int corners;
  double turn, radius;
};
constexpr std::array<Shape, 6> kShapes{
    {{0, 0, 4.5}, {4, 45, 5.8}, {3, -90, 6.2}, {4, 0, 6.2}, {3, 90, 6.2}, {5, -90, 5.6}}};

const char* colour(std::size_t style) { return kColours[style % kColours.size()]; }
const char* dashes(std::size_t style) { return kDashes[style % kDashes.size()]; }

std::string number(double value) { return fmt::format("{:.6g}", value); }

std::string label(double x, double y, const char* anchor, const std::string& words, const char* fill = kInk) {
  return fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"{}\" fill=\"{}\">{}</text>\n", x, y, anchor, fill,
                     escape_html(words));
}

// Of what is too long for its place, all is shown where the pointer rests.
std::string fitted_label(double x, double y, const char* anchor, const std::string& words, double width) {
  const std::string shown = shortened(words, width), text = label(x, y, anchor, shown);
  return shown == words ? text : fmt::format("<g class=\"h\"><title>{}</title>{}</g>\n", escape_html(words), text);
}

std::string line(double x1, double y1, double x2, double y2, const char* stroke, double width = 1) {
  return fmt::format(
      "<line x1=\"{:.1f}\" y1=\"{:.1f}\" x2=\"{:.1f}\" y2=\"{:.1f}\" stroke=\"{}\" stroke-width=\"{}\"/>\n", x1, y1, x2,
      y2, stroke, width);
}

std::string path(const std::string& commands, const char* stroke, double width, const char* dash) {
  return fmt::format(
      "<path d=\"{}\" fill=\"none\" stroke=\"{}\" stroke-width=\"{}\" stroke-linejoin=\"round\" "
      "stroke-dasharray=\"{}\"/>\n",
      commands, stroke, width, dash);
}

std::string mark(std::size_t style, double x, double y, bool filled) {
  const Shape& s = kShapes[style % kShapes.size()];
  const std::string look = fmt::format("class=\"m\" fill=\"{}\" stroke=\"{}\" stroke-width=\"1.8\"",
                                       filled ? colour(style) : "#fff", colour(style));
  if (s.corners == 0) return fmt::format("<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"{}\" {}/>\n", x, y, s.radius, look);
  std::string points;
  for (int i = 0; i < s.corners; ++i) {
    const double angle = (s.turn / 180 + 2.0 * i / s.corners) * std::numbers::pi;
    points += fmt::format("{:.1f},{:.1f} ", x + s.radius * std::cos(angle), y + s.radius * std::sin(angle));
  }
  return fmt::format("<polygon points=\"{}\" {}/>\n", points, look);
}

std::string svg(double height, const std::string& title, const std::string& description, const std::string& content) {
  return fmt::format(
      "<svg viewBox=\"0 0 {} {:.0f}\" role=\"img\" aria-label=\"{}\" xmlns=\"http://www.w3.org/2000/svg\">\n"
      "<desc>{}</desc>\n{}</svg>\n",
      kWidth, height, escape_html(title), escape_html(description), content);
}

// Values from the smallest to the largest.
struct Range {
  double low = std::numeric_limits<double>::infinity(), high = -low;

  void add(double value) { low = std::min(low, value), high = std::max(high, value); }
};

struct ScaledAxis {
  Scale scale;
  std::vector<double> ticks;
};

// With a margin beside the outermost of given ticks.
ScaledAxis on_ticks(const std::vector<double>& ticks, double first, double last) {
  constexpr double kMargin = 1.3;
  return {Scale(ScaleKind::kLog, ticks.front() / kMargin, ticks.back() * kMargin, first, last), ticks};
}

ScaledAxis fitted(const Axis& axis, Range r, double first, double last) {
  constexpr int kTicks = 8;  // at most
  if (!axis.linear && fitting_scale(r.low, r.high) == ScaleKind::kLog) {
    constexpr double kMargin = 1.1;
    std::vector<double> ticks = log_ticks(r.low, r.high, kTicks);
    r.low /= kMargin, r.high *= kMargin;
    std::erase_if(ticks, [&](double t) { return t < r.low || t > r.high; });
    return {Scale(ScaleKind::kLog, r.low, r.high, first, last), ticks};
  }
  if (r.low < 0.6 * r.high) r.low = 0;  // it is near enough to be worth its place
  const std::vector<double> ticks = nice_ticks(r.low, r.high, kTicks - 2);
  return {Scale(ScaleKind::kLinear, ticks.front(), ticks.back(), first, last), ticks};
}

class PlotPicture {
 public:
  explicit PlotPicture(const Plot& plot) : plot_(plot) {
    measure();
    place();
  }

  std::string draw() {
    draw_axes();
    draw_front();
    for (std::size_t i = 0; i < plot_.series.size(); ++i) draw_series(plot_.series[i], shift(i));
    draw_labels();
    return svg(kHeight, plot_.title, plot_.description, out_);
  }

 private:
  void measure() {
    for (const double x : plot_.x.holds) x_range_.add(x);
    for (const double y : plot_.y.holds) y_range_.add(y);
    for (const Series& s : plot_.series)
      for (const PlotPoint& p : s.points) {
        x_range_.add(p.x), y_range_.add(p.y);
        if (p.interval) y_range_.add(p.interval->first), y_range_.add(p.interval->second);
        for (const double y : p.single) y_range_.add(y);
      }
    require(x_range_.low <= x_range_.high, "a plot has points");
  }

  void place() {
    y_ = plot_.y.ticks.empty() ? fitted(plot_.y, y_range_, bottom(), kTop) : on_ticks(plot_.y.ticks, bottom(), kTop);
    for (const double tick : y_.ticks) left_ = std::max(left_, text_width(number(tick)) + kGap + 4);
    for (const Series& s : plot_.series) label_width_ = std::max(label_width_, text_width(s.label));
    label_width_ = std::min(label_width_, kLongestLabel);
    right_ = kWidth - label_width_ - 34;
    x_ = plot_.x.ticks.empty() ? fitted(plot_.x, x_range_, left_, right_) : on_ticks(plot_.x.ticks, left_, right_);
  }

  static double bottom() { return kHeight - kBottom; }

  void draw_axes() {
    for (const double tick : y_.ticks) {
      const double y = y_.scale.at(tick);
      out_ += line(left_, y, right_, y, kGrid) + label(left_ - 6, y + 4, "end", number(tick), kGrey);
    }
    out_ += line(left_, bottom(), right_, bottom(), kGrey);
    double free = 0;  // of labels that would stand in each other the first one stays
    for (const double tick : x_.ticks) {
      const double x = x_.scale.at(tick), half = text_width(number(tick)) / 2;
      out_ += line(x, bottom(), x, bottom() + 4, kGrey);
      if (x - half < free) continue;
      out_ += label(x, bottom() + 17, "middle", number(tick), kGrey);
      free = x + half + kGap;
    }
    out_ += label(4, 14, "start", plot_.y.title) + label((left_ + right_) / 2, kHeight - 8, "middle", plot_.x.title);
  }

  void draw_front() {
    if (plot_.front.size() < 2) return;
    std::string stairs;
    double before = 0;
    for (const auto& [x, y] : plot_.front) {
      const double px = x_.scale.at(x), py = y_.scale.at(y);
      stairs += stairs.empty() ? fmt::format("M{:.1f} {:.1f}", px, py)
                               : fmt::format("L{:.1f} {:.1f}L{:.1f} {:.1f}", px, before, px, py);
      before = py;
    }
    out_ += path(stairs, kGrey, 1.5, "5 4");
  }

  // On given ticks points lie above each other: a little to the side, each interval is seen.
  double shift(std::size_t i) const {
    if (plot_.x.ticks.empty()) return 0;
    return (static_cast<double>(i) - static_cast<double>(plot_.series.size() - 1) / 2) * 4;
  }

  void draw_series(const Series& s, double shift) {
    if (plot_.kind != SeriesKind::kMarks) {
      std::string way;
      for (const PlotPoint& p : s.points)
        way += fmt::format("{}{:.1f} {:.1f}", way.empty() ? 'M' : 'L', x_.scale.at(p.x) + shift, y_.scale.at(p.y));
      out_ += path(way, colour(s.style), 1.8, plot_.kind == SeriesKind::kLine ? dashes(s.style) : "none");
    }
    if (plot_.kind != SeriesKind::kLine)
      for (const PlotPoint& p : s.points) draw_point(s, p, x_.scale.at(p.x) + shift, y_.scale.at(p.y));
  }

  void draw_point(const Series& s, const PlotPoint& p, double x, double y) {
    if (p.interval) {
      const double low = y_.scale.at(p.interval->first), high = y_.scale.at(p.interval->second);
      for (const double end : {low, high}) out_ += line(x - 3, end, x + 3, end, colour(s.style), 1.2);
      out_ += line(x, low, x, high, colour(s.style), 1.2);
    }
    if (p.single.size() > 1)
      for (const double one : p.single)
        out_ += fmt::format("<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"1.6\" fill=\"{}\" fill-opacity=\"0.55\"/>\n",
                            x + 7, y_.scale.at(one), colour(s.style));
    out_ += fmt::format(
        "<g class=\"h\"><title>{}</title><circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"10\" fill=\"#fff\" "
        "fill-opacity=\"0\"/>\n{}</g>\n",
        escape_html(p.hint), x, y, mark(s.style, x, y, p.filled));
  }

  // At the right, as high as the last point of each, as far as there is room.
  void draw_labels() {
    std::vector<double> wanted;
    for (const Series& s : plot_.series) wanted.push_back(s.points.empty() ? kTop : y_.scale.at(s.points.back().y));
    const std::vector<double> places = spread(wanted, kLine, kTop, bottom());
    for (std::size_t i = 0; i < places.size(); ++i) {
      const Series& s = plot_.series[i];
      const double x = right_ + 18;
      out_ += plot_.kind == SeriesKind::kLine
                  ? path(fmt::format("M{:.1f} {:.1f}h18", x - 9, places[i]), colour(s.style), 2.2, dashes(s.style))
                  : mark(s.style, x, places[i], true);
      out_ += fitted_label(x + 12, places[i] + 4, "start", s.label, label_width_);
    }
  }

  const Plot& plot_;
  Range x_range_, y_range_;
  ScaledAxis x_, y_;
  double left_ = 30, right_ = kWidth, label_width_ = 0;
  std::string out_;
};

class BarPicture {
 public:
  explicit BarPicture(const BarChart& chart) : chart_(chart) {
    require(!chart.groups.empty() && !chart.kinds.empty(), "a chart of bars has bars");
    double highest = 0, texts = 0;
    for (const BarGroup& g : chart.groups) {
      left_ = std::max(left_, std::min(text_width(g.label), kLongestLabel) + kGap + 2);
      for (const Bar& b : g.bars) {
        highest = std::max(highest, b.value.value_or(0));
        texts = std::max(texts, text_width(b.text));
      }
    }
    height_ = kTop + static_cast<double>(chart.groups.size()) * group_height();
    ticks_ = nice_ticks(0, highest, 5);
    // The longest bar and its text end inside, wherever the last tick lies.
    scale_ = Scale(ScaleKind::kLinear, 0, std::max(ticks_.back(), 1e-9), left_, kWidth - texts - kGap - 4);
  }

  std::string draw() {
    for (const double tick : ticks_) {
      const double x = scale_.at(tick);
      out_ += line(x, kTop, x, height_, kGrid) + label(x, height_ + 16, "middle", number(tick), kGrey);
    }
    draw_legend();
    double y = kTop + kGap / 2;
    for (const BarGroup& g : chart_.groups) {
      draw_group(g, y);
      y += group_height();
    }
    out_ += line(left_, kTop, left_, height_, kGrey);
    out_ += label((left_ + kWidth) / 2, height_ + 36, "middle", chart_.axis);
    return svg(height_ + kBottom, chart_.title, chart_.description, out_);
  }

 private:
  static constexpr double kBar = 15;

  double group_height() const { return static_cast<double>(chart_.kinds.size()) * (kBar + 2) + kGap; }
  bool planned(std::size_t kind) const { return chart_.kinds.size() > 1 && kind == 0; }

  std::string box(double x, double y, double width, const char* fill, bool plan) const {
    return fmt::format(
        "<rect class=\"m\" x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"{}\" fill=\"{}\" fill-opacity=\"{}\" "
        "stroke=\"{}\" stroke-dasharray=\"{}\"/>\n",
        x, y, std::max(width, 0.5), kBar, fill, plan ? 0.2 : 0.85, fill, plan ? "4 2" : "none");
  }

  void draw_legend() {
    if (chart_.kinds.size() < 2) return;
    double x = left_;
    for (std::size_t kind = 0; kind < chart_.kinds.size(); ++kind) {
      out_ += box(x, 5, 22, "#555", planned(kind)) + label(x + 29, 17, "start", chart_.kinds[kind]);
      x += 29 + text_width(chart_.kinds[kind]) + 20;
    }
  }

  void draw_group(const BarGroup& g, double y) {
    const double middle = y + (group_height() - kGap) / 2;
    out_ += fitted_label(left_ - kGap, middle + 4, "end", g.label, kLongestLabel);
    for (std::size_t kind = 0; kind < g.bars.size(); ++kind, y += kBar + 2) {
      const Bar& b = g.bars[kind];
      const double end = scale_.at(b.value.value_or(0));
      out_ += fmt::format("<g class=\"h\"><title>{}</title>{}</g>\n",
                          escape_html(fmt::format("{}, {}: {}", g.label, chart_.kinds[kind], b.text)),
                          b.value ? box(left_, y, end - left_, colour(g.style), planned(kind)) : "");
      out_ += label(end + 6, y + kBar - 3, "start", b.text);
    }
  }

  const BarChart& chart_;
  double left_ = 40, height_ = 0;
  std::vector<double> ticks_;
  Scale scale_;
  std::string out_;
};

double width_of(char32_t c) { return c >= 0x1100 ? 12 : c == U' ' ? 3.9 : c >= U'A' && c <= U'Z' ? 8.4 : 7; }

}  // namespace

double text_width(std::string_view text) {
  double width = 0;
  for (const char32_t c : code_points(text)) width += width_of(c);
  return width;
}

std::string shortened(const std::string& text, double width) {
  if (text_width(text) <= width) return text;
  std::vector<char32_t> kept = code_points(text);
  double left = text_width(text) + width_of(U'…');
  while (!kept.empty() && left > width) {
    left -= width_of(kept.back());
    kept.pop_back();
  }
  kept.push_back(U'…');
  return to_utf8(kept);
}

std::string draw(const Plot& plot) { return PlotPicture(plot).draw(); }
std::string draw(const BarChart& chart) { return BarPicture(chart).draw(); }

}  // namespace sori
