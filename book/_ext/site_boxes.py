"""Folded boxes are native `<details>`, which work without JavaScript and in print."""

import re


def mend_boxes(soup):
    for box in soup.select("div.admonition.dropdown"):
        title = box.find(class_="admonition-title")
        if title is None:  # a proof has none: its first word becomes one
            title = soup.new_tag("p", attrs={"class": "admonition-title"})
            title.string = "Proof"
            first = box.find(string=re.compile(r"^Proof\. "))
            if first:
                first.replace_with(first.removeprefix("Proof. "))
            box.insert(0, title)
        box.name, title.name = "details", "summary"
    # sphinx-exercise gives every box a nameless section with the same id
    for section in soup.select(".admonition > section"):
        section.name = "div"
        if section.get("id", "").endswith("-content"):
            del section["id"]
    for tag in soup.find_all(id=re.compile("/")):  # sphinx-exercise: "folder/page-solution-1"
        if not soup.find("a", href="#" + tag["id"]):
            tag["id"] = tag["id"].replace("/", "-")
    for proof in soup.find_all(id="proof"):  # sphinx-proof: the same for every proof without a label
        del proof["id"]
    for summary in soup.select("summary[aria-label]"):
        del summary["aria-label"]  # it hides the visible words, "Show a solution"
    for script in soup.find_all("script", string=re.compile("kernelName|requestKernel")):
        script.decompose()
