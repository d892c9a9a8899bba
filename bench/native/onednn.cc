// Convolutions of oneDNN: an addon of its own, built where its headers are.
#include <dnnl.hpp>
#include <string>
#include <unordered_map>

#include "exports.h"

namespace latent_bench {
namespace {

using dnnl::convolution_forward;
using dnnl::memory;
using Tag = memory::format_tag;

struct Shape {
  int64_t batch, channels, height, width, filters, kernel, stride, padding, groups;

  int64_t outOf(int64_t size) const { return (size + 2 * padding - kernel) / stride + 1; }
  memory::dims x() const { return {batch, channels, height, width}; }
  memory::dims y() const { return {batch, filters, outOf(height), outOf(width)}; }
  memory::dims weight() const {
    if (groups == 1) return {filters, channels, kernel, kernel};
    return {groups, filters / groups, channels / groups, kernel, kernel};
  }
};

int64_t sizeOf(const memory::dims& dims) {
  int64_t size = 1;
  for (int64_t d : dims) size *= d;
  return size;
}

// Tensors lie as ours do. Weights are brought into the library's own layout once; data in each call, or (`isPlain`) never.
class Convolution : public Job {
 public:
  Convolution(const Shape& shape, const float* x, const float* weight, const float* bias, bool isPlain)
      : engine_(dnnl::engine::kind::cpu, 0), stream_(engine_), x_(bytesOf(shape.x())), weight_(bytesOf(shape.weight())),
        bias_(bytesOf({shape.filters})), y_(bytesOf(shape.y())) {
    std::memcpy(x_.as<float>(), x, x_.bytes());
    std::memcpy(weight_.as<float>(), weight, weight_.bytes());
    std::memcpy(bias_.as<float>(), bias, bias_.bytes());

    const auto desc = [](const memory::dims& dims, Tag tag) { return memory::desc(dims, memory::data_type::f32, tag); };
    const memory x0(desc(shape.x(), Tag::nchw), engine_, x_.as<float>());
    const memory y0(desc(shape.y(), Tag::nchw), engine_, y_.as<float>());
    const memory w0(desc(shape.weight(), shape.groups == 1 ? Tag::oihw : Tag::goihw), engine_, weight_.as<float>());
    const memory b0(desc({shape.filters}, Tag::x), engine_, bias_.as<float>());

    const Tag data = isPlain ? Tag::nchw : Tag::any;
    const memory::dims strides{shape.stride, shape.stride}, padding{shape.padding, shape.padding};
    const auto x1 = desc(shape.x(), data), w1 = desc(shape.weight(), Tag::any), y1 = desc(shape.y(), data);
#if DNNL_VERSION_MAJOR >= 3
    const convolution_forward::primitive_desc found(engine_, dnnl::prop_kind::forward_inference,
                                                    dnnl::algorithm::convolution_auto, x1, w1, b0.get_desc(), y1, strides,
                                                    padding, padding);
#else
    const convolution_forward::desc wanted(dnnl::prop_kind::forward_inference, dnnl::algorithm::convolution_auto, x1, w1,
                                           b0.get_desc(), y1, strides, padding, padding);
    const convolution_forward::primitive_desc found(wanted, engine_);
#endif
    const memory own = reordered(w0, found.weights_desc(), true);
    const memory from = reordered(x0, found.src_desc(), false);
    const memory to = found.dst_desc() == y0.get_desc() ? y0 : memory(found.dst_desc(), engine_);
    add(convolution_forward(found),
        {{DNNL_ARG_SRC, from}, {DNNL_ARG_WEIGHTS, own}, {DNNL_ARG_BIAS, b0}, {DNNL_ARG_DST, to}});
    if (to != y0) add(dnnl::reorder(to, y0), {{DNNL_ARG_FROM, to}, {DNNL_ARG_TO, y0}});
  }

  void run() override {
    for (const auto& [primitive, arguments] : steps_) primitive.execute(stream_, arguments);
    stream_.wait();
  }
  const void* result() const override { return y_.as<float>(); }
  size_t resultBytes() const override { return y_.bytes(); }

 private:
  using Arguments = std::unordered_map<int, memory>;

  static size_t bytesOf(const memory::dims& dims) { return static_cast<size_t>(sizeOf(dims)) * sizeof(float); }
  void add(const dnnl::primitive& primitive, Arguments arguments) { steps_.emplace_back(primitive, std::move(arguments)); }

  // The same in another layout: brought into it now, once and for all, or as a step of each run.
  memory reordered(const memory& given, const memory::desc& wanted, bool once) {
    if (given.get_desc() == wanted) return given;
    memory made(wanted, engine_);
    dnnl::reorder reorder(given, made);
    if (once) {
      reorder.execute(stream_, {{DNNL_ARG_FROM, given}, {DNNL_ARG_TO, made}});
      stream_.wait();
    } else {
      add(reorder, {{DNNL_ARG_FROM, given}, {DNNL_ARG_TO, made}});
    }
    return made;
  }

  dnnl::engine engine_;
  dnnl::stream stream_;
  Buffer x_, weight_, bias_, y_;
  std::vector<std::pair<dnnl::primitive, Arguments>> steps_;
};

// convolution(shape, x, weight, bias, isPlain): a job.
Napi::Value makeConvolution(const Napi::CallbackInfo& info) {
  const Napi::Object o = info[0].As<Napi::Object>();
  const auto whole = [&](const char* name) { return o.Get(name).ToNumber().Int64Value(); };
  const Shape shape{whole("batch"),  whole("channels"), whole("height"),  whole("width"), whole("filters"),
                    whole("kernel"), whole("stride"),   whole("padding"), whole("groups")};
  return wrap(info.Env(), std::make_unique<Convolution>(shape, operand<float>(info[1], sizeOf(shape.x())),
                                                        operand<float>(info[2], sizeOf(shape.weight())),
                                                        operand<float>(info[3], shape.filters), info[4].ToBoolean()));
}

Napi::Object initialize(Napi::Env env, Napi::Object exports) {
  const dnnl_version_t& version = *dnnl_version();
  exports.Set("version",
              std::to_string(version.major) + "." + std::to_string(version.minor) + "." + std::to_string(version.patch));
  exports.Set("convolution", Napi::Function::New<translated<makeConvolution>>(env));
  exportJobs(env, exports);
  return exports;
}

}  // namespace

NODE_API_MODULE(latent_bench_onednn, initialize)

}  // namespace latent_bench
