#include "ops/cpu/matmul.h"

#include <dnnl.hpp>
#include <tuple>
#include <unordered_map>

#include "base/threads.h"
#include "ops/cpu/instruction_sets.h"
#include "ops/cpu/strips.h"

namespace sori {
namespace {

using Desc = dnnl::memory::desc;
using Arguments = std::unordered_map<int, dnnl::memory>;

// Primitives built while this lives are for one thread.
class OneThread {
 public:
  OneThread() : before_(thread_count()) { set_thread_count(1); }
  ~OneThread() { set_thread_count(before_); }
  OneThread(const OneThread&) = delete;
  OneThread& operator=(const OneThread&) = delete;

 private:
  int before_;
};

dnnl::memory::data_type to_dnnl(DType type) {
  switch (product_type(type)) {
    case DType::kF32:
      return dnnl::memory::data_type::f32;
    case DType::kBF16:
      return dnnl::memory::data_type::bf16;
    case DType::kI8:
      return dnnl::memory::data_type::s8;
    case DType::kU8:
      return dnnl::memory::data_type::u8;
    case DType::kI32:
      return dnnl::memory::data_type::s32;
    default:
      require(false, "products are f32, bf16 or i8");
      return dnnl::memory::data_type::undef;
  }
}

Desc strided(std::int64_t rows, std::int64_t cols, DType type, std::int64_t ld, bool transposed) {
  const dnnl::memory::dims strides = transposed ? dnnl::memory::dims{1, ld} : dnnl::memory::dims{ld, 1};
  return {{rows, cols}, to_dnnl(type), strides};
}

dnnl::matmul::primitive_desc describe(const dnnl::engine& engine, const TileShape& s, const Desc& b) {
  dnnl::primitive_attr attributes;
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  if (s.scale != 1) attributes.set_output_scales(0, {s.scale});
  if (s.add) {
    dnnl::post_ops post;
    post.append_sum(1);
    attributes.set_post_ops(post);
  }
  const bool codes = s.type == DType::kI8;
  const Desc a = strided(s.m, s.k, codes ? DType::kU8 : s.type, s.a_transposed ? s.m : s.k, s.a_transposed);
  const Desc c = strided(s.m, s.n, codes ? DType::kI32 : DType::kF32, s.n, false);
  return {{a, b, c}, attributes, engine};
}

class DnnlProduct : public TileProduct {
 public:
  DnnlProduct(const dnnl::engine& engine, std::vector<dnnl::stream>& streams, const TileShape& shape,
              const dnnl::matmul::primitive_desc& d, const std::vector<TileProducts::Room>& rooms)
      : primitive_(d),
        name_(d.impl_info_str()),
        streams_(streams),
        a_values_(shape.m * shape.k),
        b_values_(shape.b == TileShape::B::kPacked ? 0 : shape.k * shape.n),
        widener_(shape.type, a_values_ + b_values_, rooms, streams.size()),
        heap_bytes_(widener_.heap_bytes()) {
    const std::size_t need = d.scratchpad_desc().get_size();
    for (std::size_t t = 0; t < streams.size(); ++t) {
      void* pad = t < rooms.size() ? rooms[t].library : nullptr;
      if (need > 0 && (need > TileProducts::kLibraryScratch || !pad)) {
        heap_.push_back(std::make_unique<std::byte[]>(need));
        pad = heap_.back().get();
        heap_bytes_ += need;
      }
      arguments_.push_back({{DNNL_ARG_SRC, dnnl::memory(d.src_desc(), engine, nullptr)},
                            {DNNL_ARG_WEIGHTS, dnnl::memory(d.weights_desc(), engine, nullptr)},
                            {DNNL_ARG_DST, dnnl::memory(d.dst_desc(), engine, nullptr)},
                            {DNNL_ARG_SCRATCHPAD, dnnl::memory(d.scratchpad_desc(), engine, pad)}});
    }
  }
  void run(int thread, const void* a, const void* b, void* c) override {
    Arguments& arguments = arguments_[static_cast<std::size_t>(thread)];
    a = widener_.widen(thread, a, 1, a_values_, a_values_);
    if (b_values_ > 0) b = widener_.widen(thread, b, 1, b_values_, b_values_, a_values_);
    arguments.at(DNNL_ARG_SRC).set_data_handle(const_cast<void*>(a));
    arguments.at(DNNL_ARG_WEIGHTS).set_data_handle(const_cast<void*>(b));
    arguments.at(DNNL_ARG_DST).set_data_handle(c);
    primitive_.execute(streams_[static_cast<std::size_t>(thread)], arguments);
  }
  const char* implementation() const override { return name_.c_str(); }
  std::size_t heap_bytes() const override { return heap_bytes_; }

 private:
  dnnl::matmul primitive_;
  std::string name_;
  std::vector<dnnl::stream>& streams_;
  std::int64_t a_values_, b_values_;  // of the operands that are not packed
  Widener widener_;
  std::vector<Arguments> arguments_;
  std::vector<std::unique_ptr<std::byte[]>> heap_;
  std::size_t heap_bytes_;
};

// How b lies in memory: its rows, what is in one of them, and their distance.
struct Stored {
  std::int64_t rows, cols, ld;
  bool transposed;
};

class DnnlPacker : public TilePacker {
 public:
  DnnlPacker(const dnnl::engine& engine, std::vector<dnnl::stream>& streams, const Stored& stored, DType type,
             const Desc& to, const std::vector<TileProducts::Room>& rooms)
      : stored_(stored),
        widener_(type, stored.rows * stored.cols, rooms, streams.size()),
        primitive_(dnnl::reorder::primitive_desc(engine, from(type), engine, to)),
        streams_(streams) {
    for (std::size_t t = 0; t < streams.size(); ++t)
      arguments_.push_back({{DNNL_ARG_FROM, dnnl::memory(from(type), engine, nullptr)},
                            {DNNL_ARG_TO, dnnl::memory(to, engine, nullptr)}});
  }
  void run(int thread, const void* b, void* packed) override {
    Arguments& arguments = arguments_[static_cast<std::size_t>(thread)];
    b = widener_.widen(thread, b, stored_.rows, stored_.cols, stored_.ld);
    arguments.at(DNNL_ARG_FROM).set_data_handle(const_cast<void*>(b));
    arguments.at(DNNL_ARG_TO).set_data_handle(packed);
    primitive_.execute(streams_[static_cast<std::size_t>(thread)], arguments);
  }
  std::size_t heap_bytes() const override { return widener_.heap_bytes(); }

 private:
  Desc from(DType type) const {
    const std::int64_t ld = widener_.widens() ? stored_.cols : stored_.ld;
    return stored_.transposed ? strided(stored_.cols, stored_.rows, type, ld, true)
                              : strided(stored_.rows, stored_.cols, type, ld, false);
  }

  Stored stored_;
  Widener widener_;
  dnnl::reorder primitive_;
  std::vector<dnnl::stream>& streams_;
  std::vector<Arguments> arguments_;
};

}  // namespace

struct TileProducts::Impl {
  using PackedKey = std::tuple<std::int64_t, std::int64_t, DType>;
  using PackerKey = std::tuple<std::int64_t, std::int64_t, DType, TileShape::B, std::int64_t>;

  bool in_strips(DType type) const { return kernels == TileKernels::kStrips && product_type(type) == DType::kF32; }

  // The blocked order is chosen once a size, for full tiles, so that tiles with fewer rows read the same bytes.
  const Desc& packed(std::int64_t k, std::int64_t n, DType type) {
    const auto found = layouts.find({k, n, type});
    if (found != layouts.end()) return found->second;
    const TileShape full{.m = kTileRows, .n = n, .k = k, .type = type};
    const Desc any({k, n}, to_dnnl(type), dnnl::memory::format_tag::any);
    return layouts[{k, n, type}] = describe(engine, full, any).weights_desc();
  }
  std::unique_ptr<TileProduct> make_product(const TileShape& shape) {
    if (in_strips(shape.type)) return std::make_unique<StripProduct>(shape, rooms, streams.size());
    const OneThread one;
    const bool columns = shape.b == TileShape::B::kColumns;
    const Desc b = shape.b == TileShape::B::kPacked
                       ? packed(shape.k, shape.n, shape.type)
                       : strided(shape.k, shape.n, shape.type, columns ? shape.k : shape.n, columns);
    return std::make_unique<DnnlProduct>(engine, streams, shape, describe(engine, shape, b), rooms);
  }
  std::unique_ptr<TilePacker> make_packer(std::int64_t k, std::int64_t n, DType type, bool columns, std::int64_t ldb) {
    const Stored from{columns ? n : k, columns ? k : n, ldb, columns};
    if (in_strips(type))
      return std::make_unique<StripPacker>(ConstMat(nullptr, type, from.rows, from.cols, ldb), columns);
    const OneThread one;
    return std::make_unique<DnnlPacker>(engine, streams, from, type, packed(k, n, type), rooms);
  }

  TileKernels kernels;
  dnnl::engine engine{dnnl::engine::kind::cpu, 0};
  std::vector<dnnl::stream> streams;  // one a thread
  std::vector<Room> rooms;
  std::map<PackedKey, Desc> layouts;
  std::map<TileShape, std::unique_ptr<TileProduct>> products;
  std::map<PackerKey, std::unique_ptr<TilePacker>> packers;
};

TileProducts::TileProducts(int threads, TileKernels kernels) : impl_(std::make_unique<Impl>()) {
  impl_->kernels = kernels;
  for (int t = 0; t < threads; ++t) impl_->streams.emplace_back(impl_->engine);
}
TileProducts::~TileProducts() = default;

void TileProducts::set_rooms(std::vector<Room> rooms) {
  impl_->rooms = std::move(rooms);
  impl_->products.clear();
  impl_->packers.clear();
}

TileProduct& TileProducts::product(const TileShape& shape) {
  const auto found = impl_->products.find(shape);
  if (found != impl_->products.end()) return *found->second;
  return *impl_->products.try_emplace(shape, impl_->make_product(shape)).first->second;
}

TilePacker& TileProducts::packer(std::int64_t k, std::int64_t n, DType type, TileShape::B stored, std::int64_t ldb) {
  const Impl::PackerKey key{k, n, type, stored, ldb};
  const auto found = impl_->packers.find(key);
  if (found != impl_->packers.end()) return *found->second;
  const bool columns = stored == TileShape::B::kColumns;
  return *impl_->packers.try_emplace(key, impl_->make_packer(k, n, type, columns, ldb)).first->second;
}

std::size_t TileProducts::packed_bytes(std::int64_t k, std::int64_t n, DType type) {
  if (impl_->in_strips(type)) return strip_bytes(k, n);
  const OneThread one;
  return impl_->packed(k, n, type).get_size();
}

std::size_t TileProducts::unplanned_bytes() const {
  std::size_t bytes = 0;
  for (const auto& [shape, product] : impl_->products) bytes += product->heap_bytes();
  for (const auto& [key, packer] : impl_->packers) bytes += packer->heap_bytes();
  return bytes;
}

TileKernels fastest_kernels() {
  static const bool packed = has_instructions(dnnl::cpu_isa::avx512_core);
  return packed ? TileKernels::kLibrary : TileKernels::kStrips;
}

DType product_type(DType type) {
  static const bool native = has_instructions(dnnl::cpu_isa::avx512_core_bf16);
  return type == DType::kBF16 && !native ? DType::kF32 : type;
}

bool has_int8_products() { return has_instructions(dnnl::cpu_isa::avx512_core_vnni); }

std::string product_library() {
  const dnnl::version_t* v = dnnl::version();
  return fmt::format("oneDNN {}.{}.{}, {}", v->major, v->minor, v->patch, best_instructions());
}

}  // namespace sori
