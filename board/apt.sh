#!/bin/sh
# An apt of its own below a folder: for packages of other boards and releases, that are unpacked and never installed.
#
#   apt.sh FOLDER ARCH... <SOURCES    prints the path of its configuration, to be put into APT_CONFIG; the lists have been read
#
# The first ARCH is the one that packages without one are taken from. SOURCES are lines as in sources.list.
set -eu
apt=${1:?a folder}/apt
shift
mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial" "$apt/none"
touch "$apt/status"
cat >"$apt/sources.list"
cat >"$apt/conf" <<S
APT::Architecture "$1";
APT::Architectures { $(printf '"%s"; ' "$@")};
APT::Sandbox::User "root";
Acquire::Languages "none";
Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false";
Dir::State "$apt";
Dir::State::lists "$apt/lists";
Dir::State::status "$apt/status";
Dir::Cache "$apt/cache";
Dir::Etc::sourcelist "$apt/sources.list";
Dir::Etc::sourceparts "$apt/none";
Dir::Etc::preferencesparts "$apt/none";
Dir::Etc::TrustedParts "/usr/share/keyrings";
S
APT_CONFIG=$apt/conf apt-get update -qq >&2
echo "$apt/conf"
