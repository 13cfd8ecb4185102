#include "state/row_check.h"

#include <algorithm>

#include "base/status_macros.h"

namespace ember::state {
namespace {

// A query for one kind of anomaly. Answers a row for each: the names of the VMs it is about,
// separated by blanks (which no name has), and the message.
struct Rule {
  std::string_view kind;
  std::string_view query;
};

constexpr Rule kRules[] = {
    {"foreign-key",
     "SELECT '', printf('%d rows of table %s belong to no row of table %s', count(*), \"table\","
     " parent) FROM pragma_foreign_key_check GROUP BY \"table\", parent ORDER BY 2"},
    {"name-twice",
     "SELECT (SELECT group_concat(name, ' ') FROM vm WHERE name = twice.name),"
     " printf('%d VMs have the name ''%s''', times, name)"
     " FROM (SELECT name, count(*) AS times FROM vm GROUP BY name HAVING times > 1) AS twice"
     " UNION ALL SELECT (SELECT group_concat(name, ' ') FROM vm WHERE dir_name = twice.dir_name),"
     " printf('%d VMs have the directory ''%s''', times, dir_name)"
     " FROM (SELECT dir_name, count(*) AS times FROM vm GROUP BY dir_name HAVING times > 1)"
     " AS twice ORDER BY 2"},
    {"cid-missing",
     "SELECT name, printf('vm ''%s'' has no CID', name) FROM vm"
     " WHERE NOT EXISTS (SELECT 1 FROM cid_lease WHERE vm_id = vm.id) ORDER BY name"},
    {"cid-twice",
     "SELECT (SELECT group_concat(name, ' ') FROM cid_lease AS lease JOIN vm ON vm.id = vm_id"
     " WHERE lease.cid = twice.cid), printf('CID %d is leased %d times', cid, times)"
     " FROM (SELECT cid, count(*) AS times FROM cid_lease GROUP BY cid HAVING times > 1) AS twice"
     " UNION ALL SELECT name, printf('vm ''%s'' has %d CIDs', name, times)"
     " FROM (SELECT vm_id, count(*) AS times FROM cid_lease GROUP BY vm_id HAVING times > 1)"
     " JOIN vm ON vm.id = vm_id ORDER BY 2"},
    {"address-missing",
     "SELECT name, printf('vm ''%s'' has no address block', name) FROM vm"
     " WHERE NOT EXISTS (SELECT 1 FROM address_lease WHERE vm_id = vm.id) ORDER BY name"},
    {"address-twice",
     "SELECT (SELECT group_concat(name, ' ') FROM address_lease AS lease JOIN vm ON vm.id = vm_id"
     " WHERE lease.subnet = twice.subnet AND lease.block_index = twice.block_index),"
     " printf('block %d of %s is leased %d times', block_index, subnet, times)"
     " FROM (SELECT subnet, block_index, count(*) AS times FROM address_lease"
     " GROUP BY subnet, block_index HAVING times > 1) AS twice"
     " UNION ALL SELECT name, printf('vm ''%s'' has %d address blocks', name, times)"
     " FROM (SELECT vm_id, count(*) AS times FROM address_lease GROUP BY vm_id HAVING times > 1)"
     " JOIN vm ON vm.id = vm_id ORDER BY 2"},
    {"address-outside",
     "SELECT name, printf('vm ''%s'' has block %d of %s, the subnet is %s', name, block_index,"
     " subnet, value) FROM address_lease JOIN vm ON vm.id = vm_id JOIN meta ON key = 'subnet'"
     " WHERE subnet <> value OR block_index NOT BETWEEN 0 AND"
     " (1 << (30 - CAST(substr(value, instr(value, '/') + 1) AS INTEGER))) - 1 ORDER BY name"},
    {"machine-missing",
     "SELECT name, printf('vm ''%s'' is %s without a machine on record', name, state) FROM vm"
     " WHERE state IN ('starting', 'running', 'paused', 'stopping')"
     " AND NOT EXISTS (SELECT 1 FROM machine WHERE vm_id = vm.id) ORDER BY name"},
    {"machine-unexpected",
     "SELECT name, printf('vm ''%s'' is %s with a machine on record', name, state) FROM vm"
     " WHERE state IN ('creating', 'created', 'stopped')"
     " AND EXISTS (SELECT 1 FROM machine WHERE vm_id = vm.id) ORDER BY name"},
    {"rename-unfinished",
     "SELECT name, printf('vm ''%s'' still has the directory ''%s'': its rename is not finished',"
     " name, dir_name) FROM vm WHERE dir_name <> name ORDER BY name"},
    {"port-twice",
     "SELECT printf('%s %s', v.name, w.name), printf('%s port %d is leased to vm ''%s'' on %s and"
     " to vm ''%s'' on %s', a.protocol, a.host_port, v.name, a.host_address, w.name,"
     " b.host_address) FROM port_lease AS a JOIN port_lease AS b"
     " ON a.protocol = b.protocol AND a.host_port = b.host_port AND a.host_address < b.host_address"
     " AND ('::' IN (a.host_address, b.host_address)"
     " OR ('0.0.0.0' IN (a.host_address, b.host_address)"
     " AND instr(a.host_address, ':') = 0 AND instr(b.host_address, ':') = 0))"
     " JOIN vm AS v ON v.id = a.vm_id JOIN vm AS w ON w.id = b.vm_id ORDER BY 2"},
    {"forward-unleased",
     "SELECT name, printf('vm ''%s'' has a forward from %s port %d on %s, which is not leased to"
     " it', name, host_kind, host_port, host_ip) FROM forward JOIN vm ON vm.id = forward.vm_id"
     " WHERE reverse = 0 AND host_kind <> 'unix' AND NOT EXISTS (SELECT 1 FROM port_lease AS lease"
     " WHERE lease.vm_id = forward.vm_id AND protocol = host_kind"
     " AND lease.host_port = forward.host_port AND host_address = host_ip) ORDER BY 2"},
    {"layer-depth",
     "SELECT '', printf('disk layer %s has depth %d, the one under it %d', layer.id, layer.depth,"
     " base.depth) FROM disk_layer AS layer JOIN disk_layer AS base ON base.id = layer.base_id"
     " WHERE layer.depth <> base.depth + 1 ORDER BY 2"},
    {"layer-format",
     "SELECT name, printf('vm ''%s'' lies over disk layer %s, but its own disk is %s', name,"
     " layer_id, disk_format) FROM vm_disk_layer JOIN vm ON vm.id = vm_id"
     " WHERE disk_format <> 'qcow2' ORDER BY name"},
    {"layer-unused",
     "SELECT '', printf('nothing lies over disk layer %s', id) FROM disk_layer AS layer"
     " WHERE NOT EXISTS (SELECT 1 FROM vm_disk_layer WHERE layer_id = layer.id)"
     " AND NOT EXISTS (SELECT 1 FROM snapshot WHERE layer_id = layer.id)"
     " AND NOT EXISTS (SELECT 1 FROM disk_layer WHERE base_id = layer.id) ORDER BY 2"},
    {"snapshot-unfinished",
     "SELECT vm.name, printf('snapshot ''%s'' of vm ''%s'' is still %s', snapshot.name, vm.name,"
     " snapshot.state) FROM snapshot JOIN vm ON vm.id = vm_id WHERE snapshot.state <> 'ready'"
     " ORDER BY 2"},
};

std::vector<std::string> SplitNames(std::string_view names) {
  std::vector<std::string> split;
  while (!names.empty()) {
    const std::string_view name = names.substr(0, names.find(' '));
    split.emplace_back(name);
    names.remove_prefix(std::min(names.size(), name.size() + 1));
  }
  return split;
}

}  // namespace

absl::StatusOr<std::vector<RowAnomaly>> CheckRows(Database& database) {
  std::vector<RowAnomaly> anomalies;
  for (const Rule& rule : kRules) {
    ASSIGN_OR_RETURN(Statement query, database.Prepare(rule.query));
    RETURN_IF_ERROR(query.Bind());
    while (true) {
      ASSIGN_OR_RETURN(const bool row, query.Next());
      if (!row) break;
      anomalies.push_back({.kind = std::string(rule.kind),
                           .vm_names = SplitNames(query.Text(0)),
                           .message = query.Text(1)});
    }
  }
  return anomalies;
}

}  // namespace ember::state
