// compile_shaders OUT.cpp INCLUDE_ROOT SHADER.comp...: compiles every variant that the shaders'
// first lines declare, optimizes and validates it, and writes them all as one C++ source.
// A first line reads `//! variant NAME [needs=FEATURE,...] | variant ...`; a shader sees its
// variant as the macro VARIANT_NAME.
#include <glslang/Public/ResourceLimits.h>
#include <glslang/Public/ShaderLang.h>
#include <glslang/SPIRV/GlslangToSpv.h>

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
#include <vector>

namespace {

namespace fs = std::filesystem;

struct Variant {
  std::string name;
  std::vector<std::string> needs;
};

std::string read(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) throw std::runtime_error("cannot read " + path.string());
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

std::vector<Variant> declared_variants(const fs::path& path, const std::string& source) {
  std::istringstream words(source.substr(0, source.find('\n')));
  std::string word;
  words >> word;
  std::vector<Variant> variants;
  while (word == (variants.empty() ? "//!" : "|")) {
    Variant variant;
    if (!(words >> word) || word != "variant" || !(words >> variant.name)) break;
    word.clear();
    if (words >> word && word.starts_with("needs=")) {
      std::istringstream list(word.substr(6));
      for (std::string need; std::getline(list, need, ',');) variant.needs.push_back(need);
      word.clear();
      words >> word;
    }
    variants.push_back(variant);
  }
  if (variants.empty() || words)
    throw std::runtime_error(path.string() + ": the first line must read `//! variant NAME [needs=A,B] | ...`");
  return variants;
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
  const std::string preamble =
      "#extension GL_GOOGLE_include_directive : require\n#define VARIANT_" + variant.name + " 1\n";
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

// Local clean-ups only: full inlining multiplies the size of the epilogue, and drivers inline anyway.
std::vector<uint32_t> optimize(const std::vector<uint32_t>& words, const spvtools::MessageConsumer& consumer) {
  spvtools::Optimizer optimizer(SPV_ENV_VULKAN_1_1);
  optimizer.SetMessageConsumer(consumer);
  optimizer.RegisterPass(spvtools::CreateEliminateDeadFunctionsPass())
      .RegisterPass(spvtools::CreateLocalAccessChainConvertPass())
      .RegisterPass(spvtools::CreateLocalSingleBlockLoadStoreElimPass())
      .RegisterPass(spvtools::CreateLocalSingleStoreElimPass())
      .RegisterPass(spvtools::CreateLocalMultiStoreElimPass())
      .RegisterPass(spvtools::CreateSimplificationPass())
      .RegisterPass(spvtools::CreateRedundancyEliminationPass())
      .RegisterPass(spvtools::CreateAggressiveDCEPass())
      .RegisterPass(spvtools::CreateBlockMergePass())
      .RegisterPass(spvtools::CreateCFGCleanupPass())
      .RegisterPass(spvtools::CreateCompactIdsPass());
  std::vector<uint32_t> result;
  if (!optimizer.Run(words.data(), words.size(), &result)) throw std::runtime_error("the optimizer failed");
  return result;
}

void write(std::ostream& out, const std::vector<uint32_t>& words) {
  out << std::hex;
  for (size_t i = 0; i < words.size(); ++i) out << (i % 10 ? "0x" : "\n    0x") << words[i] << ",";
  out << std::dec;
}

void run(const fs::path& output, const fs::path& root, const std::vector<fs::path>& shaders) {
  std::ostringstream arrays, table;
  std::string complaints;
  const auto consumer = [&](spv_message_level_t level, const char*, const spv_position_t&, const char* message) {
    if (level <= SPV_MSG_WARNING) complaints += std::string(message) + '\n';
  };
  for (const fs::path& path : shaders) {
    const std::string source = read(path);
    for (const Variant& variant : declared_variants(path, source)) {
      const std::string title = path.filename().string() + " (" + variant.name + ")";
      try {
        const auto words = optimize(compile(path, source, variant, root), consumer);
        spvtools::SpirvTools tools(SPV_ENV_VULKAN_1_1);
        tools.SetMessageConsumer(consumer);
        if (!tools.Validate(words)) throw std::runtime_error("not valid SPIR-V:\n" + complaints);
        const std::string id = path.stem().string() + "_" + variant.name;
        arrays << "const uint32_t " << id << "[] = {";
        write(arrays, words);
        arrays << "};\n";
        table << "    {\"" << path.stem().string() << "\", \"" << variant.name << "\", " << id << ", " << words.size()
              << ", 0";
        for (const std::string& need : variant.needs) table << " | needs_" << need;
        table << "},\n";
      } catch (const std::exception& error) {
        throw std::runtime_error(title + ": " + error.what());
      }
    }
  }
  std::ofstream out(output, std::ios::binary);
  out << "// Written by compile_shaders.\n#include \"ops/vulkan/shader.h\"\n\nnamespace tessera::vulkan {\nnamespace "
         "{\n"
      << arrays.str() << "}  // namespace\n\nextern const Shader shaders[] = {\n"
      << table.str() << "};\nextern const int shader_count = sizeof(shaders) / sizeof(*shaders);\n"
      << "}  // namespace tessera::vulkan\n";
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
