// compile_shaders OUT.cpp INCLUDE_ROOT SHADER.comp...: compiles every variant that the shaders' first lines declare,
// optimizes and validates it, and writes them all, with what they say of themselves, as one C++ source.
//
// A shader begins with lines like `//! storage=float32,float16 arithmetic=float32`: members of Variant (shader.h) and
// their values. Each line stands for all combinations of its values. A shader sees its variant as macros
// STORAGE_float32, ARITHMETIC_float32.
#include <glslang/Public/ResourceLimits.h>
#include <glslang/Public/ShaderLang.h>
#include <glslang/SPIRV/GlslangToSpv.h>

#include <cctype>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <list>
#include <memory>
#include <spirv-tools/libspirv.hpp>
#include <spirv-tools/optimizer.hpp>
#include <sstream>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "matrices.h"
#include "reflect.h"

namespace {

namespace fs = std::filesystem;

using Variant = std::vector<std::pair<std::string, std::string>>;  // member, value

std::string read(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) throw std::runtime_error("cannot read " + path.string());
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

// All combinations of the values of one line.
std::vector<Variant> combinations(const std::string& line) {
  std::vector<Variant> all(1);
  std::istringstream words(line);
  for (std::string word; words >> word;) {
    const size_t equals = word.find('=');
    if (equals == std::string::npos || equals == 0) throw std::runtime_error("no MEMBER=VALUE: " + word);
    std::vector<Variant> longer;
    std::istringstream values(word.substr(equals + 1));
    for (std::string value; std::getline(values, value, ',');)
      for (Variant variant : all) {
        variant.emplace_back(word.substr(0, equals), value);
        longer.push_back(std::move(variant));
      }
    all = std::move(longer);
  }
  return all;
}

std::vector<Variant> declared_variants(const std::string& source) {
  std::vector<Variant> variants;
  std::istringstream lines(source);
  for (std::string line; std::getline(lines, line) && line.starts_with("//!");)
    for (Variant& variant : combinations(line.substr(3))) variants.push_back(std::move(variant));
  if (variants.empty()) throw std::runtime_error("the first line must read `//! MEMBER=VALUE,... ...`");
  return variants;
}

std::string title_of(const Variant& variant) {
  std::string title;
  for (const auto& [member, value] : variant) title += (title.empty() ? "" : " ") + member + '=' + value;
  return title;
}

std::string macros_of(const Variant& variant) {
  std::string text;
  for (const auto& [member, value] : variant) {
    text += "#define ";
    for (const char c : member) text += static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    text += '_' + value + " 1\n";
  }
  return text;
}

// Finds includes next to the shader, then under the root of the sources.
class Includes final : public glslang::TShader::Includer {
 public:
  explicit Includes(std::vector<fs::path> folders) : folders_(std::move(folders)) {}

  IncludeResult* includeLocal(const char* name, const char*, size_t) override {
    for (const fs::path& folder : folders_) {
      const fs::path path = folder / name;
      if (!fs::exists(path)) continue;
      texts_.push_back(read(path));
      return new IncludeResult(path.string(), texts_.back().data(), texts_.back().size(), nullptr);
    }
    return nullptr;
  }
  IncludeResult* includeSystem(const char* name, const char* from, size_t depth) override {
    return includeLocal(name, from, depth);
  }
  void releaseInclude(IncludeResult* result) override { delete result; }

 private:
  std::vector<fs::path> folders_;
  std::list<std::string> texts_;
};

std::vector<uint32_t> compile(const fs::path& path, const std::string& source, const Variant& variant,
                              const fs::path& root) {
  glslang::TShader shader(EShLangCompute);
  const char* text = source.c_str();
  const std::string name = path.string();
  const char* names[] = {name.c_str()};
  const int length = static_cast<int>(source.size());
  shader.setStringsWithLengthsAndNames(&text, &length, names, 1);
  const std::string preamble = "#extension GL_GOOGLE_include_directive : require\n" + macros_of(variant);
  shader.setPreamble(preamble.c_str());
  shader.setEnvInput(glslang::EShSourceGlsl, EShLangCompute, glslang::EShClientVulkan, 100);
  shader.setEnvClient(glslang::EShClientVulkan, glslang::EShTargetVulkan_1_1);
  shader.setEnvTarget(glslang::EShTargetSpv, glslang::EShTargetSpv_1_3);
  Includes includes({path.parent_path(), root});
  const auto messages = static_cast<EShMessages>(EShMsgSpvRules | EShMsgVulkanRules);
  if (!shader.parse(GetDefaultResources(), 450, false, messages, includes))
    throw std::runtime_error(shader.getInfoLog());
  glslang::TProgram program;
  program.addShader(&shader);
  if (!program.link(messages)) throw std::runtime_error(program.getInfoLog());
  std::vector<uint32_t> words;
  glslang::SpvOptions options;
  options.disableOptimizer = true;
  glslang::GlslangToSpv(*program.getIntermediate(EShLangCompute), words, &options);
  return words;
}

// Uniform buffers lie as storage buffers do: Features asks devices for it.
spvtools::ValidatorOptions rules() {
  spvtools::ValidatorOptions options;
  options.SetUniformBufferStandardLayout(true);
  return options;
}

// Local clean-ups only: full inlining multiplies the size of the epilogue, and drivers inline anyway.
std::vector<uint32_t> optimize(const std::vector<uint32_t>& words, const spvtools::MessageConsumer& consumer) {
  spvtools::Optimizer optimizer(SPV_ENV_VULKAN_1_1);
  optimizer.SetMessageConsumer(consumer);
  optimizer.RegisterPass(spvtools::CreateEliminateDeadFunctionsPass())
      .RegisterPass(spvtools::CreateLocalAccessChainConvertPass())
      .RegisterPass(spvtools::CreateLocalSingleBlockLoadStoreElimPass())
      .RegisterPass(spvtools::CreateLocalSingleStoreElimPass())
      .RegisterPass(spvtools::CreateLocalMultiStoreElimPass());
  if (!shaders::divides_matrices(words)) optimizer.RegisterPass(spvtools::CreateSimplificationPass());
  optimizer.RegisterPass(spvtools::CreateRedundancyEliminationPass())
      .RegisterPass(spvtools::CreateAggressiveDCEPass())
      .RegisterPass(spvtools::CreateBlockMergePass())
      .RegisterPass(spvtools::CreateCFGCleanupPass())
      .RegisterPass(spvtools::CreateCompactIdsPass());
  std::vector<uint32_t> result;
  spvtools::OptimizerOptions options;
  options.set_validator_options(rules());
  if (!optimizer.Run(words.data(), words.size(), &result, options)) throw std::runtime_error("the optimizer failed");
  return result;
}

// The C++ source, as it grows.
struct Source {
  std::ostringstream includes, arrays, table;
};

void add(Source& source, const std::string& stem, const std::string& id, const Variant& variant,
         const std::vector<uint32_t>& words) {
  const shaders::Reflection shader = shaders::reflect(words);
  std::ostream& out = source.arrays;
  out << "const uint32_t " << id << "_words[] = {" << std::hex;
  for (size_t i = 0; i < words.size(); ++i) out << (i % 10 ? "0x" : "\n    0x") << words[i] << ",";
  out << std::dec << "};\nconst Shader::Buffer " << id << "_buffers[] = {";
  for (const auto& buffer : shader.buffers)
    out << "{\"" << buffer.name << "\", " << buffer.reads << ", " << buffer.writes << ", " << buffer.halves << ", "
        << buffer.uniform << "}, ";
  out << "};\nconst std::array<Shader::Constant, " << shader.constants.size() << "> " << id
      << "_constants{{";  // may be none
  for (const auto& constant : shader.constants) out << "{\"" << constant.name << "\", " << constant.id << "}, ";
  out << "}};\nconst uint32_t " << id << "_capabilities[] = {";
  for (const uint32_t capability : shader.capabilities) out << capability << ", ";
  out << "};\n";
  for (const shaders::Struct& layout : shader.structs) {
    for (const auto& member : layout.members)
      out << "static_assert(offsetof(" << layout.name << ", " << member.name << ") == " << member.offset << ");\n";
    if (layout.array_stride) out << "static_assert(sizeof(" << layout.name << ") == " << layout.array_stride << ");\n";
  }
  source.table << "    {\"" << stem << "\", {";
  for (const auto& [member, value] : variant)
    source.table << '.' << member << " = decltype(Variant::" << member << ")::" << value << ", ";
  source.table << "}, " << id << "_words, " << id << "_buffers, " << id << "_constants, " << id << "_capabilities},\n";
}

void run(const fs::path& output, const fs::path& root, const std::vector<fs::path>& paths) {
  Source source;
  std::string complaints;
  const auto consumer = [&](spv_message_level_t level, const char*, const spv_position_t&, const char* message) {
    if (level <= SPV_MSG_WARNING) complaints += std::string(message) + '\n';
  };
  for (const fs::path& path : paths) {
    const std::string text = read(path), stem = path.stem().string();
    source.includes << "#include \"shaders/params/" << stem << ".h\"\n";
    int number = 0;
    for (const Variant& variant : declared_variants(text)) {
      try {
        const auto words = optimize(compile(path, text, variant, root), consumer);
        spvtools::SpirvTools tools(SPV_ENV_VULKAN_1_1);
        tools.SetMessageConsumer(consumer);
        if (!tools.Validate(words.data(), words.size(), rules()))
          throw std::runtime_error("not valid SPIR-V:\n" + complaints);
        // Matrices are validated in the words that every release of the tools knows.
        add(source, stem, stem + '_' + std::to_string(number++), variant, shaders::to_khr_matrices(words));
      } catch (const std::exception& error) {
        throw std::runtime_error(path.filename().string() + " (" + title_of(variant) + "): " + error.what());
      }
    }
  }
  std::ofstream out(output, std::ios::binary);
  out << "// Written by compile_shaders.\n#include <array>\n#include <cstddef>\n\n#include \"ops/vulkan/shader.h\"\n\n"
      << "namespace tessera::vulkan {\n"
      << source.includes.str() << "\nnamespace {\n\n"
      << source.arrays.str() << "\nconst Shader shaders[] = {\n"
      << source.table.str() << "};\n\n}  // namespace\n\n"
      << "List<Shader> all_shaders() { return shaders; }\n\n}  // namespace tessera::vulkan\n";
  if (!out.flush()) throw std::runtime_error("cannot write " + output.string());
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 4) {
    std::cerr << "usage: compile_shaders OUT.cpp INCLUDE_ROOT SHADER.comp...\n";
    return 2;
  }
  glslang::InitializeProcess();
  int status = 0;
  try {
    run(argv[1], argv[2], {argv + 3, argv + argc});
  } catch (const std::exception& error) {
    std::cerr << "compile_shaders: " << error.what() << '\n';
    status = 1;
  }
  glslang::FinalizeProcess();
  return status;
}
