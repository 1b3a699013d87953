#include "report/chart.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"

namespace sori {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

std::size_t count(const std::string& text, const std::string& part) {
  std::size_t n = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + part.size())) ++n;
  return n;
}

Plot plot() {
  Plot p{"CER & steps", "two rows", {"steps", {50, 100, 200}}, {"CER (%)"}};
  for (std::size_t i = 0; i < 2; ++i) {
    Series s{i == 0 ? "full" : "<nf4>", i, {}};
    for (const double x : {50, 100, 200}) {
      PlotPoint point{x, 500 / x + static_cast<double>(i)};
      point.interval = {point.y - 1, point.y + 1};
      point.hint = "a \"hint\"";
      s.points.push_back(point);
    }
    p.series.push_back(s);
  }
  return p;
}

// All numbers of an attribute.
std::vector<double> values(const std::string& svg, const std::string& attribute) {
  std::vector<double> all;
  const std::string start = " " + attribute + "=\"";
  for (std::size_t at = svg.find(start); at != std::string::npos; at = svg.find(start, at + 1))
    all.push_back(std::stod(svg.substr(at + start.size())));
  return all;
}

TEST(DrawPlot, ShowsEveryPointWithItsHintAndEscapesAllText) {
  const std::string svg = draw(plot());
  EXPECT_EQ(count(svg, "<g class=\"h\">"), 6u);
  EXPECT_EQ(count(svg, "<title>a &quot;hint&quot;</title>"), 6u);
  EXPECT_THAT(svg, HasSubstr("role=\"img\" aria-label=\"CER &amp; steps\""));
  EXPECT_THAT(svg, HasSubstr(">&lt;nf4&gt;</text>"));
  EXPECT_THAT(svg, Not(HasSubstr("<nf4>")));
  for (const char* tick : {">50</text>", ">100</text>", ">200</text>", ">CER (%)</text>"})
    EXPECT_THAT(svg, HasSubstr(tick));
}

TEST(DrawPlot, StaysInsideItsPicture) {
  Plot p = plot();
  p.series[0].points[0].y = 4000;  // a logarithmic axis
  for (const std::string& svg : {draw(plot()), draw(p)}) {
    for (const char* attribute : {"x", "x1", "x2", "cx"})
      for (const double x : values(svg, attribute)) EXPECT_TRUE(0 <= x && x <= 540) << attribute << " " << x;
    for (const char* attribute : {"y", "y1", "y2", "cy"})
      for (const double y : values(svg, attribute)) EXPECT_TRUE(0 <= y && y <= 340) << attribute << " " << y;
  }
}

TEST(DrawPlot, DrawsSinglePointsZerosAndHugeNumbers) {
  for (const double value : {0.0, 1e-40, 1.0, 1e15}) {
    const std::string svg = draw(Plot{"t", "d", {"x"}, {"y"}, SeriesKind::kMarkedLine, {{"row", 0, {{value, value}}}}});
    EXPECT_THAT(svg, Not(HasSubstr("nan"))) << value;
    EXPECT_THAT(svg, Not(HasSubstr("inf"))) << value;
  }
  EXPECT_THROW(draw(Plot{"t", "d", {"x"}, {"y"}}), Bug);
}

TEST(DrawPlot, GivesEachStyleItsColourAndShape) {
  std::set<std::string> looks;
  for (std::size_t style = 0; style < 6; ++style)
    looks.insert(draw(Plot{"t", "d", {"x"}, {"y"}, SeriesKind::kMarks, {{"row", style, {{1, 1}}}}}));
  EXPECT_EQ(looks.size(), 6u);
}

TEST(DrawBars, ShowsPlannedBesideMeasuredWithTheirValues) {
  const std::string svg =
      draw(BarChart{"memory",
                    "per row",
                    "GiB",
                    {"planned", "measured"},
                    {{"full", 0, {{1.7, "1.70 GiB"}, {1.6, "1.60 GiB"}}}, {"nf4", 1, {{0.5, "0.50 GiB"}, {{}, "–"}}}}});
  EXPECT_EQ(count(svg, "<rect"), 2u + 3u);  // of the legend, and of what has a value
  for (const char* text : {">1.70 GiB</text>", ">1.60 GiB</text>", ">–</text>", ">planned</text>", ">GiB</text>"})
    EXPECT_THAT(svg, HasSubstr(text));
  EXPECT_THAT(svg, HasSubstr("<title>full, measured: 1.60 GiB</title>"));
  EXPECT_THROW(draw(BarChart{"t", "d", "a", {"k"}, {}}), Bug);
}

TEST(DrawBars, OfNothingButZerosHaveAnAxis) {
  EXPECT_THAT(draw(BarChart{"t", "d", "a", {"k"}, {{"full", 0, {{0.0, "0 B"}}}}}), Not(HasSubstr("nan")));
}

TEST(Shortened, KeepsWhatFits) {
  EXPECT_EQ(shortened("full", 100), "full");
  const std::string cut = shortened("full fine-tuning of everything", 100);
  EXPECT_TRUE(cut.ends_with("…"));
  EXPECT_LE(text_width(cut), 100);
  EXPECT_GT(text_width("전체"), text_width("ab"));
  EXPECT_LE(text_width(shortened("전체 미세조정 전체 미세조정", 60)), 60);
}

}  // namespace
}  // namespace sori
