'use strict';
(() => {
	// One section for each log.
	for (const section of document.querySelectorAll('.records')) start(section);

	function start(section) {
		const find = (selector) => section.querySelector(selector);
		const table = find('table');
		const body = table.tBodies[0];
		const rows = Array.from(body.rows, (row) => ({ row, text: row.textContent.toLowerCase() }));
		const filter = find('input');

		const matches = ({ row, text }, word) =>
			word.startsWith('from:') ? row.dataset.from === word.slice(5) : text.includes(word);
		const show = () => {
			const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
			let shown = 0;
			for (const item of rows) {
				item.row.hidden = !words.every((word) => matches(item, word));
				shown += item.row.hidden ? 0 : 1;
			}
			find('output').textContent = `${shown} of ${rows.length}`;
			find('.none').hidden = shown > 0;
		};
		filter.addEventListener('input', show);
		for (const link of document.querySelectorAll('a[data-from]')) {
			link.addEventListener('click', () => {
				filter.value = `from:${link.dataset.from}`;
				show();
			});
		}

		// An amount that is unset is neither small nor large: it goes last, whatever the order.
		const compare = (a, b, sign) => {
			if (a === '' || b === '') return (a === '' ? 1 : 0) - (b === '' ? 1 : 0);
			const difference = Number(a) - Number(b);
			return sign * (Number.isNaN(difference) ? (a < b ? -1 : a > b ? 1 : 0) : difference);
		};
		const heads = Array.from(table.tHead.rows[0].cells);
		heads.forEach((head, column) => {
			if (!head.dataset.first) return;
			const button = document.createElement('button');
			button.type = 'button';
			button.textContent = head.dataset.label = head.textContent;
			head.replaceChildren(button);
			button.addEventListener('click', () => {
				const now = head.getAttribute('aria-sort');
				const next = now ? (now === 'ascending' ? 'descending' : 'ascending') : head.dataset.first;
				for (const other of heads) other.removeAttribute('aria-sort');
				head.setAttribute('aria-sort', next);
				const value = ({ row }) => row.cells[column].dataset.v;
				rows.sort((a, b) => compare(value(a), value(b), next === 'ascending' ? 1 : -1));
				body.append(...rows.map(({ row }) => row));
			});
		});

		find('.tools').hidden = false;
		show();
	}
})();
