// The kernel's energy counters, in a folder that looks like theirs.
#include "base/energy.h"

#include <gtest/gtest.h>

#include "support/temporary.h"

namespace sori {
namespace {

class Energy : public ::testing::Test {
 protected:
  void zone(const std::string& name, std::uint64_t microjoules) {
    make_folder(folder / name);
    write_file(folder / name / "energy_uj", std::to_string(microjoules) + "\n");
    write_file(folder / name / "max_energy_range_uj", "1000000000\n");
  }
  const testing::TemporaryFolder folder;
};

TEST_F(Energy, IsTheSumOfThePackages) {
  zone("intel-rapl:0", 1'000'000), zone("intel-rapl:1", 5'000'000), zone("intel-rapl:0:0", 0), zone("other:0", 0);
  const EnergyMeter meter(folder / "");
  zone("intel-rapl:0", 3'500'000), zone("intel-rapl:1", 6'000'000), zone("intel-rapl:0:0", 900'000);
  zone("other:0", 900'000);
  EXPECT_DOUBLE_EQ(meter.joules().value(), 3.5);
}

TEST_F(Energy, GoesOnWhereACounterBeginsAnew) {
  zone("intel-rapl:0", 999'000'000);
  const EnergyMeter meter(folder / "");
  zone("intel-rapl:0", 2'000'000);
  EXPECT_DOUBLE_EQ(meter.joules().value(), 3);
}

TEST_F(Energy, IsNotKnownWhereNothingCanBeRead) {
  EXPECT_FALSE(EnergyMeter(folder / "absent").joules());
  EXPECT_FALSE(EnergyMeter(folder / "").joules());
  make_folder(folder / "intel-rapl:0");
  write_file(folder / "intel-rapl:0/energy_uj", "unreadable\n");
  const EnergyMeter late(folder / "");
  zone("intel-rapl:0", 1);
  EXPECT_FALSE(late.joules()) << "its beginning is not known";
  zone("intel-rapl:1", 1);
  const EnergyMeter meter(folder / "");
  std::filesystem::remove(folder / "intel-rapl:1/energy_uj");
  EXPECT_FALSE(meter.joules());
}

}  // namespace
}  // namespace sori
