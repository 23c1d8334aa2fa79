// SPDX-License-Identifier: GPL-3.0-or-later
//
// node validate.mjs <MANIFESTS: print the documents as one JSON array, after
// looking at them as a Kubernetes server does with --validate=strict.  What is
// wrong goes to the standard error, and the exit status is 1.
//
// kubernetes-models has the server's types twice: as validators, which know
// formats but let unknown members pass, and as TypeScript's types, for which
// an unknown member of a literal is an error.  So the documents are written
// out as a program, and that is compiled.
//
// With the argument "parse" it does not look.
//
// Run from a folder that has the packages of package.json, as a copy in it.
import fs from "node:fs";
import path from "node:path";
import ts from "typescript";
import YAML from "yaml";

const groups = {
	"monitoring.coreos.com": "@kubernetes-models/prometheus-operator",
};

function moduleOf(doc) {
	const [group] = doc.apiVersion.split("/");
	return `${groups[group] ?? "kubernetes-models"}/${doc.apiVersion}`;
}

function compile(docs) {
	const name = path.join(process.cwd(), `manifests-${process.pid}.mts`);
	const lines = docs.flatMap((doc, i) => {
		const { apiVersion, kind, ...rest } = doc;
		return [
			`import { ${kind} as Kind${i} } from "${moduleOf(doc)}";`,
			`new Kind${i}(${JSON.stringify(rest, null, 1)});`,
		];
	});
	fs.writeFileSync(name, lines.join("\n") + "\n");
	try {
		const program = ts.createProgram([name], {
			module: ts.ModuleKind.Node16,
			moduleResolution: ts.ModuleResolutionKind.Node16,
			noEmit: true, skipLibCheck: true, strict: true,
			target: ts.ScriptTarget.ES2022, types: [],
		});
		return ts.getPreEmitDiagnostics(program).map((d) =>
			ts.flattenDiagnosticMessageText(d.messageText, "\n"));
	} finally {
		fs.unlinkSync(name);
	}
}

async function validate(doc) {
	const kinds = await import(moduleOf(doc));
	try {
		new kinds[doc.kind](doc).validate();
	} catch (error) {
		return [`${doc.kind} ${doc.metadata.name}: ${error.message}`];
	}
	return [];
}

// YAML that says a key twice is refused by the parser.
const docs = YAML.parseAllDocuments(fs.readFileSync(0, "utf8")).map((doc) => {
	if (doc.errors.length)
		throw doc.errors[0];
	return doc.toJS();
}).filter((doc) => doc);

const errors = [];
if (process.argv[2] !== "parse") {
	errors.push(...compile(docs));
	for (const doc of docs)
		errors.push(...await validate(doc));
}
for (const error of errors)
	console.error(error);
console.log(JSON.stringify(docs));
process.exitCode = errors.length ? 1 : 0;
