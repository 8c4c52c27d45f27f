// Laying a graph out; it runs in the page for a few tables, and in a worker for many, which has nothing but this.
function layoutOf(nodes, edges) {
  const graph = new dagre.graphlib.Graph();
  graph.setGraph({ rankdir: "LR", nodesep: 14, ranksep: 56, marginx: 16, marginy: 16, ranker: "tight-tree" });
  graph.setDefaultEdgeLabel(() => ({}));
  for (const node of nodes) graph.setNode(node.id, { width: node.width, height: node.height });
  for (const edge of edges) graph.setEdge(edge.from, edge.to);
  dagre.layout(graph);
  const size = graph.graph();
  return { width: size.width || 10, height: size.height || 10,
    nodes: nodes.map((node) => { const { x, y } = graph.node(node.id); return { x, y }; }),
    edges: edges.map((edge) => graph.edge(edge.from, edge.to).points) };
}
if (typeof document === "undefined") onmessage = (event) => postMessage(layoutOf(event.data.nodes, event.data.edges));
