# For node-gyp and prebuildify, which know no other build: hands over to the CMake build. Configuring writes into build/,
# which node-gyp has just emptied.
{
  "targets": [
    {
      "target_name": "latent",
      "type": "none",
      "actions": [
        {
          "action_name": "cmake",
          "inputs": ["CMakeLists.txt"],
          "outputs": ["build/Release/latent.node"],
          "action": ["node", "scripts/build-native.js"]
        }
      ]
    }
  ]
}
