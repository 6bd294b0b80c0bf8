// Package members answers which instances of an account belong to a group: by a selector over what
// DescribeInstances says of them, by name, and less those that are excluded.
//
// Contract.
//
//   - What decides is an exact match on this side: [Group.Decide], which also says why. The filters
//     that are sent ([Group.Filter]) only narrow what is read, and one is sent only where every
//     reading of its documentation gives at least the instances that the selector wants.
//   - A [Lister] reads lists, never changes anything, and makes every request through the function
//     that it is given, which keeps the account's budget and does any retry. Groups that are listed
//     together share their pages, and cost no more requests than listing the account would, but for
//     the few that find out which is cheaper.
//   - Pages of the API have no order that lasts. A list is believed only where it holds as many
//     distinct instances as the API counts; else it is read again, and in the end it is an error.
//   - A [Group] is safe for concurrent use and never changes; so is a [Lister]. Memory is that of
//     the rows that are read, each kept once, whatever number of groups they are for.
package members
